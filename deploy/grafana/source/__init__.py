"""The dashboards as they are edited; deploy/grafana/build.py makes the files from them that Grafana reads."""
