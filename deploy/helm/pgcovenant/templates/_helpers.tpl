{{- define "pgcovenant.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "pgcovenant.fullname" -}}
{{- $name := include "pgcovenant.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pgcovenant.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pgcovenant.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pgcovenant.labels" -}}
{{ include "pgcovenant.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: proxy
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "pgcovenant.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "pgcovenant.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "pgcovenant.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Whether there are policies, and in which ConfigMap. */}}
{{- define "pgcovenant.policies" -}}
{{- if .Values.policies.existingConfigMap -}}
{{- .Values.policies.existingConfigMap -}}
{{- else if .Values.policies.files -}}
{{- include "pgcovenant.fullname" . }}-policies
{{- end -}}
{{- end -}}

{{/* Seconds of a time span such as 500ms, 30s, 5min or 1h, rounded up. */}}
{{- define "pgcovenant.seconds" -}}
{{- $text := . | toString -}}
{{- $count := regexFind "^[0-9]+" $text | int -}}
{{- $unit := regexFind "[a-z]+$" $text -}}
{{- if eq $unit "ms" -}}{{- div (add $count 999) 1000 -}}
{{- else if or (eq $unit "min") (eq $unit "m") -}}{{- mul $count 60 -}}
{{- else if eq $unit "h" -}}{{- mul $count 3600 -}}
{{- else -}}{{- $count -}}
{{- end -}}
{{- end -}}

{{/* pgcovenant.yaml: what config says, and above it what the chart knows. */}}
{{- define "pgcovenant.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := required "config.upstream.host: name the database server" .Values.config.upstream.host -}}
{{- $_ := set $config "listen" (list "0.0.0.0:6432") -}}
{{- $_ := set $config "admin" (dict "listen" "0.0.0.0:9930") -}}
{{- if and (hasKey $config "service") .Values.servicePassword.existingSecret -}}
{{- $_ := set $config.service "password_env" "PGCOVENANT_PASSWORD" -}}
{{- end -}}
{{- if include "pgcovenant.policies" . -}}
{{- $_ := set $config "policies" "/etc/pgcovenant/policies" -}}
{{- end -}}
{{- if .Values.tls.existingSecret -}}
{{- $tls := dict "cert" "/etc/pgcovenant/tls/tls.crt" "key" "/etc/pgcovenant/tls/tls.key" -}}
{{- if .Values.tls.clientCa -}}{{- $_ := set $tls "client_ca" "/etc/pgcovenant/tls/ca.crt" -}}{{- end -}}
{{- $_ := set $config "tls" $tls -}}
{{- end -}}
{{- if .Values.audit.enabled -}}
{{- $_ := set $config "audit" (mergeOverwrite (deepCopy .Values.audit.settings) (dict "path" "/var/lib/pgcovenant/audit/audit.jsonl")) -}}
{{- end -}}
{{- if eq .Values.state.kind "emptyDir" -}}
{{- $_ := set $config "state" (dict "path" "/var/lib/pgcovenant/state/state.sqlite" "flush" .Values.state.flush) -}}
{{- else if eq .Values.state.kind "postgres" -}}
{{- $_ := set $config "state" (dict "url" (required "state.url: which database keeps the record of usage" .Values.state.url) "flush" .Values.state.flush) -}}
{{- if .Values.state.existingSecret -}}{{- $_ := set $config.state "password_env" "PGCOVENANT_STATE_PASSWORD" -}}{{- end -}}
{{- end -}}
{{- if not (hasKey $config "bypass") -}}
{{- $replicas := printf "dns:%s-admin" (include "pgcovenant.fullname" .) -}}
{{- $_ := set $config "bypass" (dict "expected" (list (dict "from" $replicas))) -}}
{{- end -}}
{{- $limits := default dict $config.limits -}}
{{- $_ := set $config "limits" (mergeOverwrite $limits (dict "drain_delay" .Values.drain.delay "drain_timeout" .Values.drain.timeout)) -}}
{{- toYaml $config -}}
{{- end -}}
