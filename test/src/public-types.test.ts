/** The public types of the token client, checked by `npm run types`. */
import {
  type AnyTokenRequest,
  type AuthorizationCallback,
  type AuthorizationCodeRequest,
  type ClientAuth,
  type DeviceAuthorization,
  type DPoPProver,
  type GrantRequest,
  type IdTokenClaims,
  type Introspection,
  OAuthClient,
  type OAuthClientOptions,
  type PendingAuthorization,
  type Signer,
  type Token,
  type TokenExchangeRequest,
  type TokenRequest,
  type TokenSourceOptions,
} from "hardproof";
import { expectTypeOf, it } from "vitest";

it("the grant type can be a known name or any other string", () => {
  expectTypeOf<"client_credentials">().toExtend<TokenRequest["grantType"]>();
  expectTypeOf<"urn:ietf:params:oauth:grant-type:my-own">().toExtend<TokenRequest["grantType"]>();
  expectTypeOf<string>().toExtend<TokenRequest["grantType"]>();
  expectTypeOf<number>().not.toExtend<TokenRequest["grantType"]>();
});

it("a token request has the documented shape", () => {
  type Contract = { grantType: string; dpopProver: DPoPProver; clientId: string };
  expectTypeOf<Contract>().toExtend<TokenRequest>();
  expectTypeOf<Contract & { clientSecret: string; scope: string; extra: { code: string } }>().toExtend<TokenRequest>();
  expectTypeOf<Omit<Contract, "clientId">>().not.toExtend<TokenRequest>();
  expectTypeOf<Omit<Contract, "dpopProver">>().not.toExtend<TokenRequest>();
  expectTypeOf<Parameters<OAuthClient["getTokenWithDPoP"]>>().toEqualTypeOf<[request: TokenRequest]>();
  expectTypeOf<ReturnType<OAuthClient["getTokenWithDPoP"]>>().resolves.toEqualTypeOf<Token>();
});

it("a token request has a prover, or is bound to the certificate, or both", () => {
  type Agent = { clientId: string };
  expectTypeOf<Agent>().not.toExtend<GrantRequest>();
  expectTypeOf<Agent & { dpopProver: DPoPProver }>().toExtend<GrantRequest>();
  expectTypeOf<Agent & { binding: "certificate" }>().toExtend<GrantRequest>();
  expectTypeOf<Agent & { binding: "certificate"; dpopProver: DPoPProver }>().toExtend<GrantRequest>();
  expectTypeOf<Agent & { binding: "mtls"; dpopProver: DPoPProver }>().not.toExtend<GrantRequest>();
  expectTypeOf<Parameters<OAuthClient["getToken"]>>().toEqualTypeOf<[request: AnyTokenRequest]>();
  expectTypeOf<Agent & { binding: "certificate"; grantType: string }>().toExtend<AnyTokenRequest>();
  expectTypeOf<TokenRequest>().toExtend<AnyTokenRequest>();
  expectTypeOf<Agent & { grantType: string }>().not.toExtend<AnyTokenRequest>();
  type Source = Agent & { client: OAuthClient; grantType: string };
  expectTypeOf<Source>().not.toExtend<TokenSourceOptions>();
  expectTypeOf<Source & { prover: DPoPProver }>().toExtend<TokenSourceOptions>();
  expectTypeOf<Source & { binding: "certificate" }>().toExtend<TokenSourceOptions>();
});

it("a client needs only the URL of its server", () => {
  expectTypeOf<{ baseUrl: string }>().toExtend<OAuthClientOptions>();
  expectTypeOf<{ baseUrl: URL; endpoints: { token: "/token" } }>().toExtend<OAuthClientOptions>();
  expectTypeOf(OAuthClient.discover).parameter(0).toEqualTypeOf<string>();
  expectTypeOf(OAuthClient.discover).returns.resolves.toEqualTypeOf<OAuthClient>();
});

it("a client can authenticate by six methods", () => {
  expectTypeOf<{ method: "private_key_jwt"; signer: Signer }>().toExtend<ClientAuth>();
  expectTypeOf<"private_key_jwt">().not.toExtend<ClientAuth>();
  expectTypeOf<"client_secret_jwt">().not.toExtend<ClientAuth>();
  type Names = "client_secret_post" | "client_secret_basic" | "none";
  type ByCertificate = "tls_client_auth" | "self_signed_tls_client_auth";
  expectTypeOf<Exclude<ClientAuth, object>>().toEqualTypeOf<Names | ByCertificate>();
});

it("every grant accepts the client and its key, and returns a token", () => {
  expectTypeOf<TokenExchangeRequest>().toExtend<GrantRequest>();
  expectTypeOf<GrantRequest & PendingAuthorization>().toExtend<AuthorizationCodeRequest>();
  expectTypeOf<GrantRequest["resource"]>().toEqualTypeOf<string | readonly string[] | undefined>();
  type Grants = OAuthClient["clientCredentials" | "refresh" | "exchangeToken" | "jwtBearer" | "deviceCode"];
  expectTypeOf<ReturnType<Grants>>().resolves.toEqualTypeOf<Token>();
  expectTypeOf<ReturnType<DeviceAuthorization["token"]>>().resolves.toEqualTypeOf<Token>();
});

it("introspection always reports whether the token is active", () => {
  expectTypeOf<Introspection["active"]>().toEqualTypeOf<boolean>();
  expectTypeOf<Introspection["username"]>().toEqualTypeOf<unknown>();
});

it("a callback can be a URL, a form or fields", () => {
  expectTypeOf<string | URL | URLSearchParams | FormData>().toExtend<AuthorizationCallback>();
  expectTypeOf<{ code: string; state: string }>().toExtend<AuthorizationCallback>();
  expectTypeOf<Record<string, string | string[] | undefined>>().toExtend<AuthorizationCallback>();
  expectTypeOf<number | undefined>().not.toExtend<AuthorizationCallback>();
});

it("the claims of an ID token have a user and any other claim", () => {
  expectTypeOf<Token["idTokenClaims"]>().toEqualTypeOf<IdTokenClaims | null>();
  expectTypeOf<IdTokenClaims["sub"]>().toEqualTypeOf<string>();
  expectTypeOf<IdTokenClaims["email"]>().toEqualTypeOf<unknown>();
});
