import static org.springframework.security.config.Customizer.withDefaults;

import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.http.HttpServletRequest;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Principal;
import java.security.interfaces.RSAPublicKey;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.core.annotation.Order;
import org.springframework.http.MediaType;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.annotation.web.configurers.CsrfConfigurer;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.server.authorization.client.InMemoryRegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.config.annotation.web.configuration.OAuth2AuthorizationServerConfiguration;
import org.springframework.security.oauth2.server.authorization.config.annotation.web.configurers.OAuth2AuthorizationServerConfigurer;
import org.springframework.security.oauth2.server.authorization.settings.ClientSettings;
import org.springframework.security.oauth2.server.authorization.settings.OAuth2TokenFormat;
import org.springframework.security.oauth2.server.authorization.settings.TokenSettings;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.authentication.LoginUrlAuthenticationEntryPoint;
import org.springframework.security.web.util.matcher.MediaTypeRequestMatcher;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/**
 * Spring Authorization Server and a resource server in one application, with Spring's defaults as far as possible. Its
 * settings are the port, the user's password, the end of the clients' secrets, and the URL of the clients' keys.
 */
@Configuration(proxyBeanMethods = false)
@EnableAutoConfiguration
@Import(Server.Resource.class)
class Server {
  private static final String REDIRECT_URI = "http://127.0.0.1/callback";

  public static void main(String[] args) {
    SpringApplication.run(Server.class, args);
  }

  @Bean
  @Order(1)
  SecurityFilterChain authorizationServer(HttpSecurity http) throws Exception {
    var server = OAuth2AuthorizationServerConfigurer.authorizationServer();
    return http.securityMatcher(server.getEndpointsMatcher())
        .with(server, endpoints -> endpoints
            .oidc(oidc -> oidc.clientRegistrationEndpoint(withDefaults()))
            .pushedAuthorizationRequestEndpoint(withDefaults()))
        .authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
        .exceptionHandling(errors -> errors.defaultAuthenticationEntryPointFor(
            new LoginUrlAuthenticationEntryPoint("/login"), new MediaTypeRequestMatcher(MediaType.TEXT_HTML)))
        .build();
  }

  /** Spring's protection against CSRF refuses the scheme `DPoP` with any method but GET: see `/protected`. */
  @Bean
  @Order(2)
  SecurityFilterChain resourceServer(HttpSecurity http) throws Exception {
    return http.securityMatcher("/resource/**")
        .authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
        .oauth2ResourceServer(resource -> resource.jwt(withDefaults()))
        .csrf(CsrfConfigurer::disable)
        .build();
  }

  @Bean
  @Order(2)
  SecurityFilterChain protectedResourceServer(HttpSecurity http) throws Exception {
    return http.securityMatcher("/protected")
        .authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
        .oauth2ResourceServer(resource -> resource.jwt(withDefaults()))
        .build();
  }

  @Bean
  @Order(3)
  SecurityFilterChain login(HttpSecurity http) throws Exception {
    return http.authorizeHttpRequests(requests -> requests
            .dispatcherTypeMatchers(DispatcherType.ERROR).permitAll()
            .anyRequest().authenticated())
        .formLogin(withDefaults())
        .build();
  }

  @Bean
  UserDetailsService users(@Value("${hardproof.password}") String password) {
    return new InMemoryUserDetailsManager(
        User.withUsername("alice").password("{noop}" + password).roles("USER").build());
  }

  @Bean
  RegisteredClientRepository clients(@Value("${hardproof.secret}") String secret, @Value("${hardproof.jwks}") String jwks) {
    var key = ClientSettings.builder()
        .jwkSetUrl(jwks)
        .tokenEndpointAuthenticationSigningAlgorithm(SignatureAlgorithm.ES256)
        .build();
    var opaque = TokenSettings.builder().accessTokenFormat(OAuth2TokenFormat.REFERENCE).build();
    var certificateBound = TokenSettings.builder().x509CertificateBoundAccessTokens(true).build();
    var rotating = TokenSettings.builder().reuseRefreshTokens(false).build();
    return new InMemoryRegisteredClientRepository(
        withSecret("basic-agent", secret).build(),
        withSecret("opaque-agent", secret).tokenSettings(opaque).build(),
        withSecret("post-agent", secret)
            .clientAuthenticationMethods(Set::clear)
            .clientAuthenticationMethod(ClientAuthenticationMethod.CLIENT_SECRET_POST)
            .build(),
        client("key-agent")
            .clientAuthenticationMethod(ClientAuthenticationMethod.PRIVATE_KEY_JWT)
            .clientSettings(key)
            .tokenSettings(rotating)
            .build(),
        client("tls-agent")
            .clientAuthenticationMethod(ClientAuthenticationMethod.TLS_CLIENT_AUTH)
            .clientSettings(ClientSettings.builder().x509CertificateSubjectDN("CN=tls-agent").build())
            .tokenSettings(certificateBound)
            .build(),
        client("self-signed-agent")
            .clientAuthenticationMethod(ClientAuthenticationMethod.SELF_SIGNED_TLS_CLIENT_AUTH)
            .clientSettings(ClientSettings.builder().jwkSetUrl(jwks).build())
            .tokenSettings(certificateBound)
            .build(),
        client("public-agent").clientAuthenticationMethod(ClientAuthenticationMethod.NONE).build(),
        withSecret("registrar", secret).scopes(Set::clear).scope("client.create").build());
  }

  /** Its secret contains its id, since Spring refuses two clients with the same secret. */
  private static RegisteredClient.Builder withSecret(String id, String secret) {
    return client(id)
        .clientSecret("{noop}" + id + "-" + secret)
        .clientAuthenticationMethod(ClientAuthenticationMethod.CLIENT_SECRET_BASIC);
  }

  private static RegisteredClient.Builder client(String id) {
    return RegisteredClient.withId(id)
        .clientId(id)
        .authorizationGrantType(AuthorizationGrantType.AUTHORIZATION_CODE)
        .authorizationGrantType(AuthorizationGrantType.REFRESH_TOKEN)
        .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
        .authorizationGrantType(AuthorizationGrantType.TOKEN_EXCHANGE)
        .authorizationGrantType(AuthorizationGrantType.DEVICE_CODE)
        .redirectUri(REDIRECT_URI)
        .scope("openid")
        .scope("read")
        .scope("write");
  }

  @Bean
  JWKSource<SecurityContext> signingKey() throws Exception {
    var generator = KeyPairGenerator.getInstance("RSA");
    generator.initialize(2048);
    KeyPair pair = generator.generateKeyPair();
    var key = new RSAKey.Builder((RSAPublicKey) pair.getPublic())
        .privateKey(pair.getPrivate())
        .keyID(UUID.randomUUID().toString())
        .build();
    return new ImmutableJWKSet<>(new JWKSet(key));
  }

  @Bean
  JwtDecoder jwtDecoder(JWKSource<SecurityContext> signingKey) {
    return OAuth2AuthorizationServerConfiguration.jwtDecoder(signingKey);
  }

  /** Responds with what it received, to any method and path. */
  @RestController
  static class Resource {
    @RequestMapping({"/resource/**", "/protected"})
    Map<String, String> echo(HttpServletRequest request, Principal user) {
      return Map.of("method", request.getMethod(), "url", request.getRequestURL().toString(), "user", user.getName());
    }
  }
}
