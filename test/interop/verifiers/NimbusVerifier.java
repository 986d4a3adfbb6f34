import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.dpop.JWKThumbprintConfirmation;
import com.nimbusds.oauth2.sdk.dpop.verifiers.DPoPIssuer;
import com.nimbusds.oauth2.sdk.dpop.verifiers.DPoPProtectedResourceRequestVerifier;
import com.nimbusds.oauth2.sdk.dpop.verifiers.DPoPTokenRequestVerifier;
import com.nimbusds.oauth2.sdk.dpop.verifiers.InMemoryDPoPSingleUseChecker;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.token.DPoPAccessToken;
import com.nimbusds.openid.connect.sdk.Nonce;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Verifies DPoP proofs with Nimbus: one JSON object per line in, one out. */
public class NimbusVerifier {
  private static final long SKEW = 10; // seconds
  private static final long MAX_AGE = 120; // seconds
  private static final DPoPIssuer CLIENT = new DPoPIssuer(new ClientID("agent-7"));
  private static final InMemoryDPoPSingleUseChecker USED = new InMemoryDPoPSingleUseChecker(300, 300);

  public static void main(String[] args) throws Exception {
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    for (String line; (line = lines.readLine()) != null; ) {
      out.println(JSONObjectUtils.toJSONString(verdict(JSONObjectUtils.parse(line))));
    }
    System.exit(0); // The single-use checker has a timer.
  }

  private static Map<String, Object> verdict(Map<String, Object> question) {
    try {
      verify(question);
      return Map.of();
    } catch (Exception e) {
      return Map.of("error", String.valueOf(e.getMessage()));
    }
  }

  private static void verify(Map<String, Object> question) throws Exception {
    var proof = SignedJWT.parse((String) question.get("proof"));
    var uri = new URI(((String) question.get("url")).replaceFirst("\\?.*", ""));
    var nonce = question.get("nonce") instanceof String value ? new Nonce(value) : null;
    var algorithms = DPoPTokenRequestVerifier.SUPPORTED_JWS_ALGORITHMS;
    if (question.get("accessToken") instanceof String token) {
      // The token is bound to the proof's own key, whichever it is.
      var binding = JWKThumbprintConfirmation.of(proof.getHeader().getJWK());
      new DPoPProtectedResourceRequestVerifier(algorithms, SKEW, MAX_AGE, USED)
          .verify((String) question.get("method"), uri, CLIENT, proof, new DPoPAccessToken(token), binding, nonce);
    } else {
      new DPoPTokenRequestVerifier(algorithms, uri, SKEW, MAX_AGE, USED).verify(CLIENT, proof, nonce);
    }
  }
}
