import static org.eclipse.californium.core.coap.CoAP.ResponseCode.CHANGED;
import static org.eclipse.californium.core.coap.CoAP.ResponseCode.CONTENT;
import static org.eclipse.californium.core.coap.CoAP.ResponseCode.CREATED;
import static org.eclipse.californium.core.coap.CoAP.ResponseCode.DELETED;
import static org.eclipse.californium.core.coap.CoAP.ResponseCode.INTERNAL_SERVER_ERROR;
import static org.eclipse.californium.core.coap.CoAP.ResponseCode.NOT_FOUND;
import static org.eclipse.californium.core.coap.CoAP.ResponseCode.PRECONDITION_FAILED;
import static org.eclipse.californium.core.coap.CoAP.ResponseCode.UNAUTHORIZED;

import java.util.Timer;
import java.util.TimerTask;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP;
import org.eclipse.californium.core.coap.MediaTypeRegistry;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.network.Exchange;
import org.eclipse.californium.core.server.resources.CoapExchange;
import org.eclipse.californium.core.server.resources.Resource;
import org.eclipse.californium.oscore.OSCoreEndpointContextInfo;

/** The resources of the OSCORE interop tests, and a few more that anyone may ask for. */
final class Site {
  private static final Timer TIMER = new Timer(true);

  private Site() {}

  static void build(CoapServer server) {
    Resource hello = new CoapResource("hello", false)
        .add(new Hello("coap", false, null, null), new Hello("1", true, null, null), new Hello("2", true, new byte[] {0x2b}, null),
            new Hello("3", true, null, 5L), new Value("6", true, "", null), new Value("7", true, "", new byte[] {0x7b}));
    CoapResource oscore = new CoapResource("oscore", false);
    oscore.add(hello);
    oscore.add(new Counting("observe1", true));
    oscore.add(new Counting("observe2", false));
    oscore.add(new Value("test", true, "", null));
    server.add(oscore, new Value("value", false, "empty", null), new Value("told", true, "", null), new Value("large", false, lines(700), null), new Query(), new Slow(), new Clock());
  }

  private static String lines(int count) {
    StringBuilder text = new StringBuilder();
    for (int line = 0; line < count; line++) text.append(String.format("%07d%n", line));
    return text.toString();
  }

  private static Response response(CoAP.ResponseCode code, String payload) {
    Response response = new Response(code);
    response.setPayload(payload);
    response.getOptions().setContentFormat(MediaTypeRegistry.TEXT_PLAIN);
    return response;
  }

  private static void after(long milliseconds, Runnable run) {
    TIMER.schedule(new TimerTask() {
      @Override
      public void run() {
        run.run();
      }
    }, milliseconds);
  }

  /**
   * What it guards, only a protected request reaches. OSCoreResource of Californium 3.13.0 would not do: it takes the OSCORE option off the request and
   * looks for it again when it notifies, so an observer's second notification is 4.01.
   */
  private abstract static class Guarded extends CoapResource {
    private final boolean isProtected;

    Guarded(String name, boolean isProtected) {
      super(name);
      this.isProtected = isProtected;
    }

    @Override
    public void handleRequest(Exchange exchange) {
      boolean came = exchange.getRequest().getSourceContext().get(OSCoreEndpointContextInfo.OSCORE_RECIPIENT_ID) != null;
      if (came || !isProtected) super.handleRequest(exchange);
      else exchange.sendResponse(new Response(UNAUTHORIZED));
    }
  }

  private static final class Hello extends Guarded {
    private final byte[] etag;
    private final Long maxAge;

    Hello(String name, boolean isProtected, byte[] etag, Long maxAge) {
      super(name, isProtected);
      this.etag = etag;
      this.maxAge = maxAge;
    }

    @Override
    public void handleGET(CoapExchange exchange) {
      Response response = response(CONTENT, "Hello World!");
      if (etag != null) response.getOptions().addETag(etag);
      if (maxAge != null) response.getOptions().setMaxAge(maxAge);
      exchange.respond(response);
    }
  }

  /** Keeps what is sent to it. */
  private static final class Value extends Guarded {
    private final byte[] etag;
    private String value;

    Value(String name, boolean isProtected, String value, byte[] etag) {
      super(name, isProtected);
      this.value = value;
      this.etag = etag;
    }

    @Override
    public void handleGET(CoapExchange exchange) {
      exchange.respond(value == null ? new Response(NOT_FOUND) : response(CONTENT, value));
    }

    @Override
    public void handleFETCH(CoapExchange exchange) {
      exchange.respond(response(CONTENT, "fetched " + exchange.getRequestText()));
    }

    @Override
    public void handlePOST(CoapExchange exchange) {
      exchange.respond(response(CHANGED, exchange.getRequestText()));
    }

    @Override
    public void handlePUT(CoapExchange exchange) {
      boolean matches = exchange.getRequestOptions().getIfMatchCount() == 0 || exchange.getRequestOptions().isIfMatch(etag);
      if (!matches || (exchange.getRequestOptions().hasIfNoneMatch() && value != null)) {
        exchange.respond(PRECONDITION_FAILED);
        return;
      }
      CoAP.ResponseCode code = value == null ? CREATED : CHANGED;
      value = exchange.getRequestText();
      exchange.respond(code);
    }

    @Override
    public void handlePATCH(CoapExchange exchange) {
      handlePUT(exchange);
    }

    @Override
    public void handleIPATCH(CoapExchange exchange) {
      handlePUT(exchange);
    }

    @Override
    public void handleDELETE(CoapExchange exchange) {
      value = null;
      exchange.respond(DELETED);
    }
  }

  private static final class Query extends Guarded {
    Query() {
      super("query", false);
    }

    @Override
    public void handleGET(CoapExchange exchange) {
      exchange.respond(response(CONTENT, String.join("|", exchange.getRequestOptions().getUriQuery())));
    }
  }

  /** Answers after the time in which a response could travel with the acknowledgement. */
  private static final class Slow extends Guarded {
    Slow() {
      super("slow", false);
    }

    @Override
    public void handleGET(CoapExchange exchange) {
      exchange.accept();
      after(300, () -> exchange.respond(response(CONTENT, "slow")));
    }
  }

  /** one, two, and after that the end if it is to have one. */
  private static final class Counting extends Guarded {
    private final boolean ends;
    private int state;

    Counting(String name, boolean ends) {
      super(name, true);
      this.ends = ends;
      setObservable(true);
    }

    @Override
    public void handleGET(CoapExchange exchange) {
      if (state == 0 && exchange.getRequestOptions().hasObserve()) after(300, this::next);
      exchange.respond(state == 2 ? response(INTERNAL_SERVER_ERROR, "Terminate Observe") : response(CONTENT, state == 0 ? "one" : "two"));
    }

    private void next() {
      state++;
      changed();
      if (ends && state == 1) after(300, this::next);
    }
  }

  /** A state that changes by itself. */
  private static final class Clock extends Guarded {
    private int ticks;

    Clock() {
      super("clock", false);
      setObservable(true);
      getAttributes().setObservable();
      after(200, this::tick);
    }

    private void tick() {
      ticks++;
      changed();
      after(200, this::tick);
    }

    @Override
    public void handleGET(CoapExchange exchange) {
      exchange.respond(response(CONTENT, "tick " + ticks));
    }
  }
}
