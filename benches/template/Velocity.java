import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import net.minidev.json.JSONObject;
import net.minidev.json.JSONStyle;
import net.minidev.json.JSONValue;
import org.apache.commons.lang.StringEscapeUtils;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.runtime.RuntimeInstance;
import org.apache.velocity.runtime.parser.node.SimpleNode;

/**
 * Renders a second of the four templates in work.jsonl by Apache Velocity 1.7 with json-smart and commons-lang: what API Gateway is thought to run, and
 * what template.rs is compared with. The payload comes as text and is parsed at most once, and only if the template asks; the template is parsed before;
 * the output is a new string; one thread; the median of five runs of a second after a warm-up of three. README.md says how to run it.
 */
public final class Velocity {
    /** `$input`, as far as the four templates use it. */
    public static final class Input {
        private final String body;
        private final Map<String, Map<String, Object>> params;
        private Object parsed;

        Input(String body, Map<String, Map<String, Object>> params) {
            this.body = body;
            this.params = params;
        }

        private Object parsed() {
            if (parsed == null) {
                parsed = JSONValue.parse(body);
            }
            return parsed;
        }

        public Object path(String path) {
            return parsed();
        }

        public String json(String path) {
            return JSONValue.toJSONString(parsed(), JSONStyle.LT_COMPRESS);
        }

        public Map<String, Map<String, Object>> params() {
            return params;
        }

        public Object params(String name) {
            for (String kind : new String[] {"path", "querystring", "header"}) {
                Object found = params.get(kind).get(name);
                if (found != null) {
                    return found;
                }
            }
            return "";
        }
    }

    /** `$util`, as far as the four templates use it. */
    public static final class Util {
        public String escapeJavaScript(Object text) {
            return StringEscapeUtils.escapeJavaScript(String.valueOf(text));
        }
    }

    private final SimpleNode template;
    private final RuntimeInstance runtime;
    private final String body;
    private final Map<String, Map<String, Object>> params;
    private final Map<String, Object> stageVariables;
    private final Map<String, Object> context;

    @SuppressWarnings("unchecked")
    private Velocity(RuntimeInstance runtime, JSONObject work) throws Exception {
        this.runtime = runtime;
        String name = (String) work.get("id");
        template = runtime.parse(new java.io.StringReader((String) work.get("template")), name);
        template.init(new org.apache.velocity.context.InternalContextAdapterImpl(new VelocityContext()), runtime);
        body = (String) work.get("body");
        params = new LinkedHashMap<>();
        for (String kind : new String[] {"path", "querystring", "header"}) {
            params.put(kind, (Map<String, Object>) ((Map<String, Object>) work.get("params")).get(kind));
        }
        stageVariables = new LinkedHashMap<>((Map<String, Object>) work.get("stageVariables"));
        context = (Map<String, Object>) work.get("context");
    }

    private String render() throws Exception {
        VelocityContext values = new VelocityContext();
        values.put("input", new Input(body, params));
        values.put("util", new Util());
        values.put("stageVariables", stageVariables);
        values.put("context", context);
        StringWriter out = new StringWriter(256);
        runtime.render(values, out, "template", template);
        return out.toString();
    }

    private double rate(double seconds) throws Exception {
        long until = System.nanoTime() + (long) (seconds * 1e9);
        long started = System.nanoTime();
        long count = 0;
        int length = 0;
        do {
            for (int i = 0; i < 16; i++) {
                length += render().length();
            }
            count += 16;
        } while (System.nanoTime() < until);
        if (length == 42) {
            System.out.print("");
        }
        return count / ((System.nanoTime() - started) / 1e9);
    }

    public static void main(String[] arguments) throws Exception {
        RuntimeInstance runtime = new RuntimeInstance();
        runtime.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
        runtime.init();
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            JSONObject described = (JSONObject) JSONValue.parse(line);
            Velocity work = new Velocity(runtime, described);
            String got = work.render();
            boolean same = JSONValue.parse(got).equals(JSONValue.parse((String) described.get("expected")));
            work.rate(3);
            double[] rates = new double[5];
            for (int run = 0; run < rates.length; run++) {
                rates[run] = work.rate(1);
            }
            Arrays.sort(rates);
            System.out.printf("%-16s %,12.0f renders/s%s%n", described.get("id"), rates[2], same ? "" : "  (another output: " + got + ")");
        }
    }
}
