// The JDBC driver does the same through the proxy as directly.
//
// Usage: java -cp postgresql.jar JdbcCheck.java DIRECT_URL PROXIED_URL
// Each scenario runs on both and returns what an application would see; any difference is an error.

import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.net.URI;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

public class JdbcCheck {
    interface Scenario {
        Object run(Opener open) throws Exception;
    }

    /** Opens connections with more properties, such as "prepareThreshold", "1". */
    interface Opener {
        Connection with(String... properties) throws SQLException;
    }

    static Opener opener(String url) {
        URI parts = URI.create(url);
        String[] account = parts.getUserInfo().split(":");
        return properties -> {
            Properties all = new Properties();
            all.put("user", account[0]);
            all.put("password", account[1]);
            for (int at = 0; at < properties.length; at += 2) {
                all.put(properties[at], properties[at + 1]);
            }
            return DriverManager.getConnection("jdbc:postgresql://" + parts.getAuthority().split("@")[1] + parts.getPath(), all);
        };
    }

    static List<String> rows(ResultSet result) throws SQLException {
        ResultSetMetaData meta = result.getMetaData();
        List<String> rows = new ArrayList<>();
        StringBuilder head = new StringBuilder();
        for (int at = 1; at <= meta.getColumnCount(); at++) {
            head.append(meta.getColumnLabel(at)).append(' ').append(meta.getColumnTypeName(at)).append(' ')
                    .append(meta.getPrecision(at)).append('|');
        }
        rows.add(head.toString());
        while (result.next()) {
            StringBuilder row = new StringBuilder();
            for (int at = 1; at <= meta.getColumnCount(); at++) {
                row.append(result.getString(at)).append('|');
            }
            rows.add(row.toString());
        }
        return rows;
    }

    static String error(SQLException error) {
        return error.getSQLState() + " " + error.getMessage();
    }

    static Object queries(Opener open) throws Exception {
        List<Object> seen = new ArrayList<>();
        try (Connection connection = open.with(); Statement statement = connection.createStatement()) {
            seen.add(rows(statement.executeQuery("SELECT * FROM customers ORDER BY id LIMIT 20")));
            boolean more = statement.execute("SELECT 1; UPDATE orders SET status = status WHERE order_id < 3; SELECT 'x'");
            while (more || statement.getUpdateCount() != -1) {
                seen.add(more ? rows(statement.getResultSet()) : statement.getUpdateCount());
                more = statement.getMoreResults();
            }
            try {
                statement.executeQuery("SELECT * FROM nowhere");
            } catch (SQLException error) {
                seen.add(error(error));
            }
        }
        return seen;
    }

    static Object prepared(Opener open) throws Exception {
        List<Object> seen = new ArrayList<>();
        for (String mode : List.of("extended", "extendedForPrepared", "extendedCacheEverything", "simple")) {
            for (String threshold : List.of("1", "3", "0")) {
                try (Connection connection = open.with("preferQueryMode", mode, "prepareThreshold", threshold);
                        PreparedStatement statement = connection.prepareStatement(
                                "SELECT id, name, birth_date, created_at, ?::numeric FROM customers WHERE id = ? OR name = ?")) {
                    for (int number = 1; number < 8; number++) {
                        statement.setBigDecimal(1, new BigDecimal("1.50"));
                        statement.setLong(2, number);
                        statement.setNull(3, Types.VARCHAR);
                        seen.add(rows(statement.executeQuery()));
                    }
                    seen.add(statement.getParameterMetaData().getParameterTypeName(2));
                } catch (SQLException error) {
                    seen.add(mode + ": " + error(error));
                }
            }
        }
        return seen;
    }

    static Object batches(Opener open) throws Exception {
        List<Object> seen = new ArrayList<>();
        for (String rewrite : List.of("false", "true")) {
            try (Connection connection = open.with("reWriteBatchedInserts", rewrite);
                    Statement statement = connection.createStatement()) {
                statement.execute("CREATE TEMP TABLE batched (a int PRIMARY KEY, b text)");
                try (PreparedStatement insert = connection.prepareStatement("INSERT INTO batched VALUES (?, ?)")) {
                    for (int number = 0; number < 700; number++) {
                        insert.setInt(1, number);
                        insert.setString(2, "row " + number);
                        insert.addBatch();
                    }
                    seen.add(Arrays.stream(insert.executeBatch()).filter(count -> count != 0).count());
                    for (int number : new int[] {701, 1, 702}) {
                        insert.setInt(1, number);
                        insert.setString(2, "again");
                        insert.addBatch();
                    }
                    insert.executeBatch();
                } catch (BatchUpdateException error) {
                    seen.add(Arrays.toString(error.getUpdateCounts()) + error(error));
                }
                seen.add(rows(statement.executeQuery("SELECT count(*) FROM batched")));
                try (PreparedStatement keys = connection.prepareStatement(
                        "INSERT INTO batched VALUES (?, 'key')", Statement.RETURN_GENERATED_KEYS)) {
                    keys.setInt(1, 1000);
                    keys.executeUpdate();
                    seen.add(rows(keys.getGeneratedKeys()));
                }
                statement.addBatch("UPDATE batched SET b = 'x' WHERE a < 10");
                statement.addBatch("DELETE FROM batched WHERE a > 690");
                seen.add(Arrays.toString(statement.executeBatch()));
            }
        }
        return seen;
    }

    static Object cursors(Opener open) throws Exception {
        List<Object> seen = new ArrayList<>();
        try (Connection connection = open.with()) {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(7);
                seen.add(rows(statement.executeQuery("SELECT order_id, status FROM orders ORDER BY 1")));
                statement.setMaxRows(5);
                seen.add(rows(statement.executeQuery("SELECT order_id FROM orders ORDER BY 1")));
            }
            try (PreparedStatement statement = connection.prepareStatement("SELECT id FROM customers WHERE id > ? ORDER BY 1",
                    ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY)) {
                statement.setInt(1, 3);
                ResultSet result = statement.executeQuery();
                result.last();
                seen.add(result.getRow());
                result.absolute(4);
                seen.add(result.getInt(1));
            }
            connection.rollback();
        }
        return seen;
    }

    static Object transactions(Opener open) throws Exception {
        List<Object> seen = new ArrayList<>();
        for (String autosave : List.of("never", "always", "conservative")) {
            try (Connection connection = open.with("autosave", autosave); Statement statement = connection.createStatement()) {
                connection.setAutoCommit(false);
                connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
                statement.execute("CREATE TEMP TABLE t (a int UNIQUE)");
                Savepoint savepoint = connection.setSavepoint("before");
                for (String sql : List.of("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")) {
                    try {
                        seen.add(statement.executeUpdate(sql));
                    } catch (SQLException error) {
                        seen.add(error(error));
                    }
                }
                connection.rollback(savepoint);
                seen.add(rows(statement.executeQuery("SELECT count(*), current_setting('transaction_isolation') FROM t")));
                connection.commit();
            }
        }
        return seen;
    }

    static Object copies(Opener open) throws Exception {
        List<Object> seen = new ArrayList<>();
        try (Connection connection = open.with(); Statement statement = connection.createStatement()) {
            statement.execute("CREATE TEMP TABLE copied (a int, b text)");
            CopyManager manager = connection.unwrap(PGConnection.class).getCopyAPI();
            StringBuilder text = new StringBuilder();
            for (int number = 0; number < 5000; number++) {
                text.append(number).append("\tvalue ").append(number).append('\n');
            }
            seen.add(manager.copyIn("COPY copied FROM STDIN", new StringReader(text.toString())));
            try {
                manager.copyIn("COPY copied FROM STDIN", new StringReader("x\ty\n"));
            } catch (SQLException error) {
                seen.add(error(error));
            }
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            seen.add(manager.copyOut("COPY (SELECT * FROM copied WHERE a < 50 ORDER BY a) TO STDOUT (FORMAT csv)", out));
            seen.add(out.toString());
            seen.add(rows(statement.executeQuery("SELECT count(*) FROM copied")));
        }
        return seen;
    }

    /** They are read and written by FunctionCall messages. */
    static Object largeObjects(Opener open) throws Exception {
        List<Object> seen = new ArrayList<>();
        try (Connection connection = open.with()) {
            connection.setAutoCommit(false);
            LargeObjectManager manager = connection.unwrap(PGConnection.class).getLargeObjectAPI();
            long oid = manager.createLO(LargeObjectManager.READWRITE);
            LargeObject object = manager.open(oid, LargeObjectManager.READWRITE);
            byte[] bytes = new byte[200_000];
            Arrays.fill(bytes, (byte) 7);
            object.write(bytes);
            object.seek(100_000);
            seen.add(object.tell());
            seen.add(Arrays.equals(object.read(100_000), Arrays.copyOf(bytes, 100_000)));
            object.truncate(10);
            seen.add(object.size());
            object.close();
            manager.delete(oid);
            try {
                manager.open(oid);
            } catch (SQLException error) {
                seen.add(error.getSQLState());
            }
            connection.rollback();
        }
        return seen;
    }

    static Object notifications(Opener open) throws Exception {
        List<Object> seen = new ArrayList<>();
        try (Connection connection = open.with(); Statement statement = connection.createStatement()) {
            statement.execute("LISTEN jdbc_check");
            statement.execute("NOTIFY jdbc_check, 'hello'; DO $$ BEGIN RAISE WARNING 'beware'; END $$");
            seen.add(statement.getWarnings().getMessage());
            PGNotification[] heard = connection.unwrap(PGConnection.class).getNotifications(10_000);
            for (PGNotification one : heard) {
                seen.add(one.getName() + " " + one.getParameter());
            }
        }
        return seen;
    }

    static Object metadata(Opener open) throws Exception {
        List<Object> seen = new ArrayList<>();
        try (Connection connection = open.with("ApplicationName", "check", "options", "-c statement_timeout=9s")) {
            DatabaseMetaData meta = connection.getMetaData();
            seen.add(meta.getDatabaseProductVersion() + meta.getUserName() + connection.isValid(5));
            seen.add(rows(meta.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"})));
            seen.add(rows(meta.getColumns(null, "public", "%", "%")));
            seen.add(rows(meta.getPrimaryKeys(null, "public", "orders")));
            seen.add(rows(meta.getImportedKeys(null, "public", "orders")));
            seen.add(rows(meta.getIndexInfo(null, "public", "orders", false, true)));
            seen.add(rows(meta.getFunctions(null, "pg_catalog", "abs")));
            seen.add(rows(meta.getTypeInfo()).size());
            seen.add(rows(connection.createStatement().executeQuery(
                    "SELECT current_setting('application_name'), current_setting('statement_timeout')")));
        }
        return seen;
    }

    static Object timeouts(Opener open) throws Exception {
        List<Object> seen = new ArrayList<>();
        try (Connection connection = open.with(); Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            try {
                statement.execute("SELECT pg_sleep(30)");
            } catch (SQLException error) {
                seen.add(error(error));
            }
            seen.add(rows(statement.executeQuery("SELECT 'still here'")));
        }
        return seen;
    }

    static Object attempt(Scenario scenario, Opener open) {
        try {
            return scenario.run(open);
        } catch (Exception error) {
            error.printStackTrace();
            return error;
        }
    }

    public static void main(String[] urls) {
        Map<String, Scenario> scenarios = new LinkedHashMap<>();
        scenarios.put("queries", JdbcCheck::queries);
        scenarios.put("prepared", JdbcCheck::prepared);
        scenarios.put("batches", JdbcCheck::batches);
        scenarios.put("cursors", JdbcCheck::cursors);
        scenarios.put("transactions", JdbcCheck::transactions);
        scenarios.put("copies", JdbcCheck::copies);
        scenarios.put("large objects", JdbcCheck::largeObjects);
        scenarios.put("notifications", JdbcCheck::notifications);
        scenarios.put("metadata", JdbcCheck::metadata);
        scenarios.put("timeouts", JdbcCheck::timeouts);
        int failures = 0;
        for (Map.Entry<String, Scenario> scenario : scenarios.entrySet()) {
            Object direct = attempt(scenario.getValue(), opener(urls[0]));
            Object proxied = attempt(scenario.getValue(), opener(urls[1]));
            boolean good = direct.equals(proxied);
            failures += good ? 0 : 1;
            System.out.println((good ? "ok   " : "FAIL ") + scenario.getKey());
            if (!good) {
                System.out.printf("  direct:  %.1500s%n  proxied: %.1500s%n", direct, proxied);
            }
        }
        System.out.printf("JDBC: %d of %d scenarios are the same%n", scenarios.size() - failures, scenarios.size());
        System.exit(failures == 0 ? 0 : 1);
    }
}
