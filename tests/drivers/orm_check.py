"""SQLAlchemy, over two drivers, and Django do the same through the proxy as directly.

Usage: orm_check.py DIRECT_URL PROXIED_URL
"""

import asyncio
import datetime
import decimal

import django
import sqlalchemy as sa
from compare import main, scenario
from django.conf import settings
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import create_async_engine


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "alchemy_authors"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(unique=True)
    born: orm.Mapped[datetime.date | None]
    books: orm.Mapped[list["Book"]] = orm.relationship(back_populates="author", order_by="Book.id")


class Book(Base):
    __tablename__ = "alchemy_books"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    title: orm.Mapped[str]
    price: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(8, 2))
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("alchemy_authors.id"))
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


def engine(url, **options):
    return sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), **options)


@scenario
def alchemy_reflects(url):
    inspector = sa.inspect(engine(url))
    tables = sorted(inspector.get_table_names())
    described = {}
    for table in tables:
        described[table] = (
            [{**column, "type": str(column["type"])} for column in inspector.get_columns(table)],
            inspector.get_pk_constraint(table), inspector.get_foreign_keys(table), inspector.get_indexes(table),
            inspector.get_unique_constraints(table), inspector.get_check_constraints(table),
        )
    return tables, inspector.get_view_names(), inspector.get_schema_names(), described


@scenario
def alchemy_maps(url):
    seen = []
    with engine(url).connect() as connection:
        transaction = connection.begin()
        Base.metadata.create_all(connection)
        with orm.Session(connection, join_transaction_mode="create_savepoint") as session:
            session.add_all(Author(name=f"author {number}", born=datetime.date(1900 + number, 1, 1)) for number in range(300))
            session.flush()
            ann = session.scalars(sa.select(Author).where(Author.name == "author 7")).one()
            ann.books = [Book(title=f"book {number}", price=decimal.Decimal("9.99")) for number in range(5)]
            session.commit()
            query = sa.select(Author.name, sa.func.sum(Book.price)).join(Book).group_by(Author.name)
            seen.append([tuple(row) for row in session.execute(query)])
            seen.append([book.title for book in session.scalars(sa.select(Book).options(orm.joinedload(Book.author)))])
            upsert = insert(Author).values(name="author 7", born=None)
            upsert = upsert.on_conflict_do_update(index_elements=["name"], set_={"born": upsert.excluded.born})
            seen.append(session.execute(upsert.returning(Author.born)).all())
            seen.append(failure(session))
            session.execute(sa.update(Author).where(Author.id > 250).values(name=Author.name + "!"))
            seen.append(session.scalar(sa.select(sa.func.count()).where(Author.name.like("%!"))))
        streamed = connection.execution_options(yield_per=50).execute(sa.select(Author.name).order_by(Author.id))
        seen.append([[row[0] for row in part] for part in streamed.partitions()])
        transaction.rollback()
    return seen


def failure(session):
    try:
        with session.begin_nested():
            session.execute(sa.insert(Author).values(name="author 8"))
    except sa.exc.IntegrityError as error:
        return error.orig.sqlstate, str(error.orig)
    return None


@scenario
def alchemy_isolates(url):
    with engine(url, isolation_level="SERIALIZABLE").connect() as connection:
        level = connection.exec_driver_sql("SHOW transaction_isolation").scalar()
    with engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        return level, connection.exec_driver_sql("SELECT txid_current() <> txid_current()").scalar()


@scenario
def alchemy_on_asyncpg(url):
    async def work():
        created = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
        async with created.connect() as connection:
            statement = sa.text("SELECT id, name, birth_date FROM customers WHERE id > :least ORDER BY id")
            rows = (await connection.execute(statement, {"least": 60})).all()
            tables = await connection.run_sync(lambda sync: sorted(sa.inspect(sync).get_table_names()))
            streamed = [row async for row in await connection.stream(sa.text("SELECT order_id FROM orders ORDER BY 1"))]
        await created.dispose()
        return rows, tables, streamed

    return asyncio.run(work())


def set_up_django():
    from django.db import models

    settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}}, USE_TZ=True)
    django.setup()

    class Shelf(models.Model):
        name = models.CharField(max_length=40, unique=True)

        class Meta:
            app_label = "check"
            db_table = "django_shelves"

    class Item(models.Model):
        shelf = models.ForeignKey(Shelf, models.CASCADE)
        label = models.TextField(db_index=True)
        facts = models.JSONField(default=dict)
        at = models.DateTimeField(null=True)

        class Meta:
            app_label = "check"
            db_table = "django_items"

    return Shelf, Item


SHELF, ITEM = set_up_django()


def with_django(work):
    """Points Django at a server; everything is rolled back in the end."""
    from django.db import connections, transaction

    def pointed(url):
        parts = sa.make_url(url)
        connections["default"].close()
        connections["default"].settings_dict.update(
            NAME=parts.database, USER=parts.username, PASSWORD=parts.password, HOST=parts.host, PORT=str(parts.port))
        try:
            with transaction.atomic():
                result = work(connections["default"])
                transaction.set_rollback(True)
            return result
        finally:
            connections["default"].close()

    pointed.__name__ = work.__name__
    return pointed


@scenario
@with_django
def django_looks_around(connection):
    with connection.cursor() as cursor:
        tables = sorted(connection.introspection.get_table_list(cursor))
        constraints = {table.name: connection.introspection.get_constraints(cursor, table.name) for table in tables}
        columns = {table.name: connection.introspection.get_table_description(cursor, table.name) for table in tables}
    return tables, constraints, columns


@scenario
@with_django
def django_works(connection):
    from django.db import IntegrityError, models, transaction

    with connection.schema_editor() as editor:
        editor.create_model(SHELF)
        editor.create_model(ITEM)
    seen = []
    shelves = SHELF.objects.bulk_create([SHELF(name=f"shelf {number}") for number in range(20)])
    ITEM.objects.bulk_create(
        [ITEM(shelf=shelves[n % 20], label=f"item {n}", facts={"n": n, "odd": bool(n % 2)}) for n in range(400)])
    try:
        with transaction.atomic():
            SHELF.objects.create(name="shelf 1")
    except IntegrityError as error:
        seen.append(str(error))
    seen.append(list(ITEM.objects.filter(facts__odd=True, facts__n__lt=20).values_list("label", flat=True)))
    by_shelf = ITEM.objects.values("shelf__name").annotate(n=models.Count("id"), last=models.Max("label"))
    seen.append(list(by_shelf.order_by("shelf__name")))
    seen.append([item.label for item in ITEM.objects.order_by("id").iterator(chunk_size=37)])
    seen.append(ITEM.objects.select_for_update(skip_locked=True).filter(label__iendswith="7").count())
    seen.append(ITEM.objects.filter(label__contains="39").update(label=models.functions.Upper("label")))
    seen.append(SHELF.objects.bulk_create([SHELF(name="shelf 2")], ignore_conflicts=True)[0].name)
    seen.append(ITEM.objects.filter(shelf__name="shelf 3").delete())
    like = SHELF.objects.raw("SELECT id, name FROM django_shelves WHERE name LIKE %s ORDER BY 1", ["%1_"])
    seen.append([shelf.name for shelf in like])
    return seen


main(f"SQLAlchemy {sa.__version__}, Django {django.get_version()}")
