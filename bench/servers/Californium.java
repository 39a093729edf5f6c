import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP;
import org.eclipse.californium.core.coap.MediaTypeRegistry;
import org.eclipse.californium.core.coap.MessageObserverAdapter;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.server.resources.CoapExchange;
import org.eclipse.californium.elements.config.Configuration;

/**
 * Californium under load, and as a load. {@code serve PORT TEXT}: a server with the resources temperature and benchmark. {@code drive}: a client that reads lines
 * of "URI ENDPOINTS OUTSTANDING REQUESTS" and answers each with "SECONDS" or with what went wrong.
 */
public final class Californium {
  private Californium() {}

  public static void main(String[] arguments) throws Exception {
    CoapConfig.register();
    // Without this, the first endpoint writes a file of settings into the working directory.
    Configuration.createStandardWithoutFile();
    if (arguments[0].equals("serve")) serve(Integer.parseInt(arguments[1]), arguments[2]);
    else drive();
  }

  private static CoapEndpoint endpoint(int port) {
    return new CoapEndpoint.Builder()
        .setConfiguration(Configuration.getStandard())
        .setInetSocketAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), port))
        .build();
  }

  private static void serve(int port, String text) throws IOException {
    CoapServer server = new CoapServer(Configuration.getStandard());
    server.addEndpoint(endpoint(port));
    server.add(
        new CoapResource("temperature") {
          @Override
          public void handleGET(CoapExchange exchange) {
            exchange.respond(CoAP.ResponseCode.CONTENT, text);
          }
        },
        new CoapResource("benchmark") {
          @Override
          public void handleGET(CoapExchange exchange) {
            String length = exchange.getQueryParameter("rlen");
            byte[] payload = new byte[length == null ? 0 : Integer.parseInt(length)];
            java.util.Arrays.fill(payload, (byte) '*');
            exchange.respond(CoAP.ResponseCode.CONTENT, payload, MediaTypeRegistry.TEXT_PLAIN);
          }
        });
    server.start();
  }

  private static void drive() throws Exception {
    BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = orders.readLine()) != null; ) {
      String[] order = line.split(" ");
      System.out.println(new Round(order[0], Integer.parseInt(order[3])).run(Integer.parseInt(order[1]), Integer.parseInt(order[2])));
    }
    System.exit(0);
  }

  /** Fresh endpoints send requests, each a further one for each answer. */
  private static final class Round {
    /** Ports of rounds before: what comes from there under a Message ID that a server has seen is a duplicate to it (RFC 7252, Section 4.5). */
    private static final Set<Integer> used = new HashSet<>();
    private final String uri;
    private final AtomicInteger left;
    private final CountDownLatch answers;
    private final AtomicReference<String> fault = new AtomicReference<>();

    Round(String uri, int requests) {
      this.uri = uri;
      left = new AtomicInteger(requests);
      answers = new CountDownLatch(requests);
    }

    String run(int count, int outstanding) throws Exception {
      List<CoapEndpoint> endpoints = new ArrayList<>();
      for (int i = 0; i < count; i++) endpoints.add(fresh());
      long started = System.nanoTime();
      for (int i = 0; i < outstanding; i++) {
        for (CoapEndpoint endpoint : endpoints) next(endpoint);
      }
      boolean ended = answers.await(60, TimeUnit.SECONDS);
      double seconds = (System.nanoTime() - started) / 1e9;
      for (CoapEndpoint endpoint : endpoints) endpoint.destroy();
      if (fault.get() != null) return fault.get();
      return ended ? Double.toString(seconds) : answers.getCount() + " requests without an answer";
    }

    private static CoapEndpoint fresh() throws Exception {
      List<CoapEndpoint> passed = new ArrayList<>();
      try {
        for (;;) {
          CoapEndpoint endpoint = endpoint(0);
          endpoint.start();
          if (used.add(endpoint.getAddress().getPort())) return endpoint;
          passed.add(endpoint);
        }
      } finally {
        for (CoapEndpoint endpoint : passed) endpoint.destroy();
      }
    }

    private void next(CoapEndpoint endpoint) {
      if (left.getAndDecrement() <= 0) return;
      Request request = Request.newGet();
      request.setURI(uri);
      request.addMessageObserver(new MessageObserverAdapter() {
        @Override
        public void onResponse(Response response) {
          if (response.getCode() != CoAP.ResponseCode.CONTENT) fault.set("code " + response.getCode());
          done();
        }

        @Override
        protected void failed() {
          fault.set("a request without an answer");
          done();
        }

        private void done() {
          answers.countDown();
          next(endpoint);
        }
      });
      request.send(endpoint);
    }
  }
}
