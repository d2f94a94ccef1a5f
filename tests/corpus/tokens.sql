SELECT U&"\0065mail", U&"!0065mail" UESCAPE '!', U&'d\0061t\+000061' FROM U&"\0063ustomers"
SELECT $$ssn FROM customers$$, $a$ $$ $a$, $é$x$é$, $_1$y$_1$, email FROM customers
SELECT 'a' 'b', 1
SELECT E'\'; SELECT ssn FROM customers --', E'\x61\u0061\U00000061\141', email FROM customers
SELECT '\', email FROM customers --'
SELECT /* a /* b */ ' */ email /**/ FROM /* " */ customers -- /* x
SELECT 1 </* 'a */ 1, email FROM customers
SELECT 1 +-- x
SELECT 1 <-1, 2 >-3, 3 =-4, 4 @-5, 5 |/-6, 6 *-7, 7 ||-8, 8 !=-9, 9 ~-1, 1 <@-2 FROM customers
SELECT 1<>2, 1!=2, 1<=2, 1>=2, 1=>2, 1||2, 1->2, 1->>2, 1#>>2, 1@>2, 1<@2, 1?|2, 1&&2, 1~*2, 1!~~*2, 1<->2, 1-|-2, 1^@2
SELECT OPERATOR(pg_catalog.+) 1, 1 OPERATOR(pg_catalog.-) 2, 1 operator ( "pg_catalog" . * ) 3 FROM customers
SELECT 1., .5, 1.e3, 1E-5, 0x1F, 0o17, 0b101, 1_000.000_1, 123e, 1..2 FROM customers
SELECT 1a, 1_, 0x, 1e+, $1a, :1, :a, @1, #1 FROM customers
SELECT email::text::varchar(3)::"char", -id::int, - - id, +id, ~id, @id FROM customers
SELECT "a""b", "", "SELECT", "email" "e""m", email AS "; DROP", "customers"."email" FROM customers
SELECT select_, from1, _email, é, email$1, "é" FROM customers
SELECT end, user, current_user, value, year, name, date, time, text, row, rows, over, filter FROM customers
SELECT 1 end, 2 value, 3 year, 4 name, email precision, phone without FROM customers
SELECT (((email))), ((SELECT (((phone))))), ((ARRAY[1])) FROM (((customers)))
SELECT a.b.c.d, a.*, a.b.*, *, (a).*, (a.b).c, a[1].b, a[1:2], (a)[:] FROM a.b.c
SELECT count(*), count(DISTINCT email), count(ALL email), f(VARIADIC a), f(a => 1, b := 2), f(*), f() FROM customers
SELECT N'x', B'01', X'ff', b'', x'', n'', U&'', e'', q'' FROM customers
SELECT 'x';;; SELECT email FROM customers;
; ;
SELECT email FROM customers WHERE email = 'a''b' AND phone = '' AND name = '"' AND country = E'\\'
SELECT $1::text, $2, $10 FROM customers WHERE id = $1::int AND email = ANY($2::text[])
SELECT "email"FROM"customers"WHERE"id"=1AND"name"='x'OR"phone"IS NULL
select(email)from(customers)where(id)=(1)group by(email)having(true)order by(1)limit(1)
SELECT ſsn, Key, emaıl, SSN, "SSN", Email FROM CUSTOMERS
SELECT email FROM customers AS c (a, b, c), LATERAL (SELECT c.c) AS d (e)
