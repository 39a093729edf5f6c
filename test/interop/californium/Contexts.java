import com.upokecenter.cbor.CBORObject;
import org.eclipse.californium.cose.AlgorithmID;
import org.eclipse.californium.elements.util.StringUtil;
import org.eclipse.californium.oscore.ContextRederivation;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCtx;

/** OSCORE security contexts, from the parameters that the test names. */
final class Contexts {
  private Contexts() {}

  /** Null, for an endpoint without OSCORE, where the test names none. */
  static HashMapCtxDB of(CBORObject list) throws Exception {
    if (list == null) return null;
    HashMapCtxDB contexts = new HashMapCtxDB();
    for (CBORObject parameters : list.getValues()) {
      OSCoreCtx context = derive(parameters);
      if (parameters.ContainsKey("uri")) contexts.addContext(parameters.get("uri").AsString(), context);
      else contexts.addContext(context);
    }
    return contexts;
  }

  private static OSCoreCtx derive(CBORObject parameters) throws Exception {
    boolean client = parameters.ContainsKey("uri");
    byte[] idContext = bytes(parameters, "idContext");
    OSCoreCtx context = new OSCoreCtx(
        bytes(parameters, "masterSecret"),
        client,
        AlgorithmID.FromCBOR(parameters.get("aead")),
        bytes(parameters, "senderId"),
        bytes(parameters, "recipientId"),
        parameters.get("hkdf").AsInt32() == 7 ? AlgorithmID.HKDF_HMAC_SHA_512 : AlgorithmID.HKDF_HMAC_SHA_256,
        32,
        bytes(parameters, "masterSalt"),
        idContext,
        100_000);
    if (client && idContext != null) context.setIncludeContextId(true);
    if (parameters.ContainsKey("senderKey")) context.setSenderKey(bytes(parameters, "senderKey"));
    if (parameters.ContainsKey("recipientKey")) context.setRecipientKey(bytes(parameters, "recipientKey"));
    context.setResponsesIncludePartialIV(parameters.ContainsKey("partialIvInResponses"));
    if (parameters.ContainsKey("rederivation")) {
      context.setContextRederivationEnabled(true);
      context.setContextRederivationPhase(ContextRederivation.PHASE.valueOf(parameters.get("rederivation").AsString()));
    }
    return context;
  }

  private static byte[] bytes(CBORObject parameters, String name) {
    return parameters.ContainsKey(name) ? StringUtil.hex2ByteArray(parameters.get(name).AsString()) : null;
  }
}
