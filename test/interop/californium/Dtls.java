import com.upokecenter.cbor.CBORObject;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import org.eclipse.californium.elements.auth.RawPublicKeyIdentity;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.util.StringUtil;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.PskPublicInformation;
import org.eclipse.californium.scandium.dtls.SingleNodeConnectionIdGenerator;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite;
import org.eclipse.californium.scandium.dtls.pskstore.AdvancedSinglePskStore;
import org.eclipse.californium.scandium.dtls.x509.SingleCertificateProvider;
import org.eclipse.californium.scandium.dtls.x509.StaticNewAdvancedCertificateVerifier;

/** Scandium, from what the test says: a suite, a pre-shared key or the raw public key that is taken, and the length of connection IDs. */
final class Dtls {
  private static final KeyPair OWN = keyPair();

  private Dtls() {}

  private static KeyPair keyPair() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      return generator.generateKeyPair();
    } catch (GeneralSecurityException error) {
      throw new IllegalStateException(error);
    }
  }

  /** Our raw public key, in hexadecimal digits. */
  static String spki() {
    return StringUtil.byteArray2Hex(OWN.getPublic().getEncoded());
  }

  static DTLSConnector connector(CBORObject order, InetSocketAddress local, Configuration settings, boolean serves) throws Exception {
    DtlsConnectorConfig.Builder builder = DtlsConnectorConfig.builder(settings)
        .setAddress(local)
        .set(DtlsConfig.DTLS_ROLE, serves ? DtlsConfig.DtlsRole.SERVER_ONLY : DtlsConfig.DtlsRole.CLIENT_ONLY)
        .set(DtlsConfig.DTLS_RECOMMENDED_CIPHER_SUITES_ONLY, false)
        .setAsList(DtlsConfig.DTLS_CIPHER_SUITES, CipherSuite.getTypeByName(order.get("suite").AsString()));
    if (order.ContainsKey("psk")) {
      CBORObject psk = order.get("psk");
      PskPublicInformation identity = new PskPublicInformation(psk.get("identity").AsString());
      builder.setAdvancedPskStore(new AdvancedSinglePskStore(identity, StringUtil.hex2ByteArray(psk.get("key").AsString())));
    } else {
      byte[] spki = StringUtil.hex2ByteArray(order.get("trusts").AsString());
      PublicKey trusted = KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(spki));
      builder.setCertificateIdentityProvider(new SingleCertificateProvider(OWN.getPrivate(), OWN.getPublic()));
      builder.setAdvancedCertificateVerifier(StaticNewAdvancedCertificateVerifier.builder().setTrustedRPKs(new RawPublicKeyIdentity(trusted)).build());
    }
    if (order.ContainsKey("connectionIdLength")) {
      builder.setConnectionIdGenerator(new SingleNodeConnectionIdGenerator(order.get("connectionIdLength").AsInt32()));
    }
    return new DTLSConnector(builder.build());
  }
}
