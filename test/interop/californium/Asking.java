import com.upokecenter.cbor.CBORObject;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.eclipse.californium.core.coap.CoAP;
import org.eclipse.californium.core.coap.Option;
import org.eclipse.californium.core.coap.OptionSet;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.coap.option.OptionDefinition;
import org.eclipse.californium.core.coap.option.StandardOptionRegistry;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.observe.NotificationListener;
import org.eclipse.californium.elements.util.Bytes;
import org.eclipse.californium.elements.util.StringUtil;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCtx;
import org.eclipse.californium.oscore.OSCoreEndpointContextInfo;
import org.eclipse.californium.scandium.DTLSConnector;

/** A client endpoint. */
final class Asking {
  private final CoapEndpoint endpoint;
  private final HashMapCtxDB contexts;
  private String lastUri;

  Asking(CoapEndpoint endpoint, HashMapCtxDB contexts) {
    this.endpoint = endpoint;
    this.contexts = contexts;
  }

  void close() {
    endpoint.destroy();
  }

  /** The next request begins with a handshake that resumes the session. */
  void resume() {
    ((DTLSConnector) endpoint.getConnector()).forceResumeAllSessions();
  }

  /** The response, or null in the place of its code if there is none within the time that the order gives. */
  CBORObject ask(CBORObject order) throws Exception {
    Request request = request(order);
    if (order.ContainsKey("observe")) request.getOptions().setObserve(order.get("observe").AsInt32());
    request.send(endpoint);
    Response response = request.waitForResponse(order.get("limit").AsInt32());
    if (response == null && request.getSendError() != null) throw new IllegalStateException(request.getSendError());
    return response == null ? CBORObject.NewMap().Add("code", CBORObject.Null) : told(response);
  }

  /**
   * The answer to the registration and each notification, until there were as many as wanted, one ends it or none comes; then the answer to the cancellation.
   *
   * The endpoint is asked for the notifications, since CoapClient.observe of Californium 3.13.0 orders them by the inner Observe option and takes an empty one,
   * which is what RFC 8613 (Section 4.1.3.5.2) has there, as the number 0: of protected notifications it shows the first only.
   */
  CBORObject observe(CBORObject order) throws Exception {
    long limit = order.get("limit").AsInt32();
    BlockingQueue<Response> notifications = new LinkedBlockingQueue<>();
    NotificationListener listener = (request, notification) -> notifications.add(notification);
    endpoint.addNotificationListener(listener);
    Request registration = request(order).setObserve();
    Response response = registration.send(endpoint).waitForResponse(limit);
    CBORObject responses = CBORObject.NewArray();
    while (response != null) {
      responses.Add(told(response));
      if (responses.size() == order.get("count").AsInt32() || !response.getOptions().hasObserve()) break;
      response = notifications.poll(limit, TimeUnit.MILLISECONDS);
    }
    CBORObject answer = CBORObject.NewMap().Add("responses", responses);
    endpoint.removeNotificationListener(listener);
    if (response != null && response.getOptions().hasObserve()) {
      Request cancellation = request(order).setObserveCancel();
      cancellation.setToken(registration.getToken());
      Response last = cancellation.send(endpoint).waitForResponse(limit);
      if (last != null) answer.Add("cancelled", told(last));
    }
    endpoint.cancelObservation(registration.getToken());
    return answer;
  }

  /** Test 15 of the OSCORE interop: a client that sends a number again. */
  void rewind(int sequence) throws Exception {
    OSCoreCtx context = contexts.getContext(lastUri);
    context.setSenderSeq(sequence);
  }

  private Request request(CBORObject order) {
    Request request = new Request(CoAP.Code.valueOf(order.ContainsKey("method") ? order.get("method").AsString().toUpperCase() : "GET"));
    lastUri = order.get("uri").AsString();
    request.setURI(lastUri);
    request.setConfirmable(!order.ContainsKey("nonConfirmable"));
    if (order.ContainsKey("payload")) request.setPayload(order.get("payload").AsString());
    OptionSet options = request.getOptions();
    if (contexts != null) options.setOscore(Bytes.EMPTY);
    if (order.ContainsKey("contentFormat")) options.setContentFormat(order.get("contentFormat").AsInt32());
    if (order.ContainsKey("accept")) options.setAccept(order.get("accept").AsInt32());
    if (order.ContainsKey("ifMatch")) options.addIfMatch(StringUtil.hex2ByteArray(order.get("ifMatch").AsString()));
    if (order.ContainsKey("echo")) options.addOption(new Option(StandardOptionRegistry.ECHO, StringUtil.hex2ByteArray(order.get("echo").AsString())));
    if (order.ContainsKey("ifNoneMatch")) options.setIfNoneMatch(true);
    return request;
  }

  private static CBORObject told(Response response) {
    OptionSet options = response.getOptions();
    return CBORObject.NewMap()
        .Add("code", response.getCode().text)
        .Add("payload", StringUtil.byteArray2Hex(response.getPayload()))
        .Add("contentFormat", options.hasContentFormat() ? CBORObject.FromObject(options.getContentFormat()) : CBORObject.Null)
        .Add("etag", opaque(options, StandardOptionRegistry.ETAG))
        .Add("maxAge", options.hasMaxAge() ? CBORObject.FromObject(options.getMaxAge()) : CBORObject.Null)
        .Add("echo", opaque(options, StandardOptionRegistry.ECHO))
        .Add("observe", options.hasObserve() ? CBORObject.FromObject(options.getObserve()) : CBORObject.Null)
        .Add("protected", response.getSourceContext().get(OSCoreEndpointContextInfo.OSCORE_RECIPIENT_ID) != null);
  }

  private static CBORObject opaque(OptionSet options, OptionDefinition definition) {
    for (Option option : options.asSortedList()) {
      if (option.getDefinition().equals(definition)) return CBORObject.FromObject(StringUtil.byteArray2Hex(option.getValue()).toLowerCase());
    }
    return CBORObject.Null;
  }
}
