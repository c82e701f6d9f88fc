import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.apache.logging.log4j.ThreadContext;

/** Logs 20 messages by log4j2's Socket appender (log4j.xml), each with a number. */
public class Log4j {
    public static void main(String[] args) {
        Logger log = LogManager.getLogger("test");
        for (int i = 0; i < 20; i++) {
            ThreadContext.put("number", Integer.toString(i));
            log.info("message {} of {}\nin two lines", i, "çÅ{}");
        }
        LogManager.shutdown();
    }
}
