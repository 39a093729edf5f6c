import com.upokecenter.cbor.CBORObject;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.config.TcpConfig;
import org.eclipse.californium.elements.tcp.netty.TcpClientConnector;
import org.eclipse.californium.elements.tcp.netty.TcpServerConnector;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCoapStackFactory;
import org.eclipse.californium.scandium.config.DtlsConfig;

/** A Californium endpoint, or many, that do what lines of JSON on the standard input say: serve and ask. Each line is answered with one line. */
public final class Peer {
  private final Map<Integer, CoapServer> servers = new HashMap<>();
  private final Map<Integer, Asking> clients = new HashMap<>();
  private int last;

  public static void main(String[] arguments) throws IOException {
    CoapConfig.register();
    TcpConfig.register();
    DtlsConfig.register();
    // Without this, the first endpoint writes a file of settings into the working directory.
    Configuration.createStandardWithoutFile();
    Peer peer = new Peer();
    BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = orders.readLine()) != null; ) {
      CBORObject answer;
      try {
        answer = peer.obey(CBORObject.FromJSONString(line));
      } catch (Exception error) {
        answer = CBORObject.NewMap().Add("error", error.getClass().getSimpleName()).Add("detail", String.valueOf(error.getMessage()));
      }
      System.out.println(answer.ToJSONString());
    }
    System.exit(0);
  }

  private CBORObject obey(CBORObject order) throws Exception {
    switch (order.get("do").AsString()) {
      case "serve":
        return serve(order);
      case "connect":
        return connect(order);
      case "ask":
        return client(order).ask(order);
      case "observe":
        return client(order).observe(order);
      case "spki":
        return CBORObject.NewMap().Add("spki", Dtls.spki());
      case "resume":
        client(order).resume();
        return CBORObject.NewMap();
      case "rewind":
        client(order).rewind(order.get("to").AsInt32());
        return CBORObject.NewMap();
      case "close":
        return close(order.get("id").AsInt32());
      default:
        throw new IllegalArgumentException("an order that is not known");
    }
  }

  private CBORObject serve(CBORObject order) throws Exception {
    CoapEndpoint endpoint = endpoint(order, true, Contexts.of(order.get("contexts")));
    CoapServer server = new CoapServer(endpoint.getConfig());
    server.addEndpoint(endpoint);
    Site.build(server);
    server.start();
    servers.put(++last, server);
    return CBORObject.NewMap().Add("id", last).Add("port", endpoint.getAddress().getPort());
  }

  private CBORObject connect(CBORObject order) throws Exception {
    HashMapCtxDB contexts = Contexts.of(order.get("contexts"));
    CoapEndpoint endpoint = endpoint(order, false, contexts);
    endpoint.start();
    clients.put(++last, new Asking(endpoint, contexts));
    return CBORObject.NewMap().Add("id", last);
  }

  private Asking client(CBORObject order) {
    return clients.get(order.get("id").AsInt32());
  }

  private CBORObject close(int id) {
    CoapServer server = servers.remove(id);
    if (server != null) server.destroy();
    Asking client = clients.remove(id);
    if (client != null) client.close();
    return CBORObject.NewMap();
  }

  /** An endpoint of the loopback interface; without contexts it knows nothing of OSCORE. */
  private static CoapEndpoint endpoint(CBORObject order, boolean serves, HashMapCtxDB contexts) throws Exception {
    Configuration settings = new Configuration(Configuration.getStandard());
    settings.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, 100_000);
    if (order.ContainsKey("blockSize")) {
      settings.set(CoapConfig.PREFERRED_BLOCK_SIZE, order.get("blockSize").AsInt32());
      settings.set(CoapConfig.MAX_MESSAGE_SIZE, order.get("blockSize").AsInt32());
    }
    CoapEndpoint.Builder builder = new CoapEndpoint.Builder().setConfiguration(settings);
    int port = order.ContainsKey("port") ? order.get("port").AsInt32() : 0;
    InetSocketAddress local = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    boolean tcp = order.ContainsKey("transport") && order.get("transport").AsString().equals("tcp");
    if (order.ContainsKey("dtls")) builder.setConnector(Dtls.connector(order.get("dtls"), local, settings, serves));
    else if (!tcp) builder.setInetSocketAddress(local);
    else if (serves) builder.setConnector(new TcpServerConnector(local, settings));
    else builder.setConnector(new TcpClientConnector(settings));
    if (contexts != null) builder.setCoapStackFactory(new OSCoreCoapStackFactory()).setCustomCoapStackArgument(contexts);
    return builder.build();
  }
}
