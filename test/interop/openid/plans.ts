/** The plans of the suite for clients that Hardproof can run, and what the client is in each of them. */
import type { Profile } from "hardproof";
import type { Row } from "../scenario.js";
import type { Variant } from "./suite-api.js";

/** How the client uses the library in a plan. */
export interface ClientKind {
  readonly profile?: Profile;
  readonly auth: "private_key_jwt" | "client_secret_basic";
  readonly scope: string;
  readonly grant?: "client_credentials";
  /** Whether the request is a signed JWT. */
  readonly signsRequest?: boolean;
  /** Whether the token is refreshed before it is used. */
  readonly refreshes?: boolean;
}

/** A plan, and how it is run. */
export interface Plan {
  readonly row: Row;
  readonly title: string;
  /** The suite's name of the plan. */
  readonly name: string;
  readonly variant: Variant;
  readonly client: ClientKind;
}

const FAPI = { client_auth_type: "private_key_jwt", sender_constrain: "dpop", authorization_request_type: "simple" };
const SIGNED = { fapi_request_method: "signed_non_repudiation", fapi_response_mode: "jarm" };
const RP = { client_registration: "static_client", request_type: "plain_http_request" };

const securityProfile = { row: "FAPI 2.0", name: "fapi2-security-profile-final-client-test-plan" } as const;
const messageSigning = {
  row: "FAPI 2.0 Message Signing",
  name: "fapi2-message-signing-final-client-test-plan",
} as const;
const oidc = { scope: "openid accounts" };
const oauth = { scope: "accounts" };
const rp = { scope: "openid profile" };

/** Every plan that is run. */
export const PLANS: readonly Plan[] = [
  {
    ...securityProfile,
    title: "FAPI 2.0 Security Profile, OpenID Connect",
    variant: { ...FAPI, fapi_profile: "plain_fapi", fapi_client_type: "oidc" },
    client: { ...oidc, profile: "fapi2", auth: "private_key_jwt" },
  },
  {
    ...securityProfile,
    title: "FAPI 2.0 Security Profile, OAuth",
    variant: { ...FAPI, fapi_profile: "plain_fapi", fapi_client_type: "plain_oauth" },
    client: { ...oauth, profile: "fapi2", auth: "private_key_jwt" },
  },
  {
    ...securityProfile,
    title: "FAPI 2.0 Security Profile, client credentials",
    variant: { ...FAPI, fapi_profile: "fapi_client_credentials_grant", fapi_client_type: "plain_oauth" },
    client: { ...oauth, profile: "fapi2", auth: "private_key_jwt", grant: "client_credentials" },
  },
  {
    ...messageSigning,
    title: "FAPI 2.0 Message Signing, OpenID Connect",
    variant: { ...FAPI, ...SIGNED, fapi_profile: "plain_fapi", fapi_client_type: "oidc" },
    client: { ...oidc, profile: "fapi2-message-signing", auth: "private_key_jwt", signsRequest: true },
  },
  {
    ...messageSigning,
    title: "FAPI 2.0 Message Signing, OAuth",
    variant: { ...FAPI, ...SIGNED, fapi_profile: "plain_fapi", fapi_client_type: "plain_oauth" },
    client: { ...oauth, profile: "fapi2-message-signing", auth: "private_key_jwt", signsRequest: true },
  },
  {
    row: "ID token",
    title: "OpenID Connect, basic",
    name: "oidcc-client-basic-certification-test-plan",
    variant: RP,
    client: { ...rp, auth: "client_secret_basic" },
  },
  {
    row: "ID token",
    title: "OpenID Connect, form_post",
    name: "oidcc-client-formpost-basic-certification-test-plan",
    variant: RP,
    client: { ...rp, auth: "client_secret_basic" },
  },
  {
    row: "ID token",
    title: "OpenID Connect, configuration",
    name: "oidcc-client-config-certification-test-plan",
    variant: { ...RP, client_auth_type: "private_key_jwt", response_mode: "default" },
    client: { ...rp, auth: "private_key_jwt" },
  },
  {
    row: "refresh, rotation",
    title: "OpenID Connect, refresh tokens",
    name: "oidcc-client-refreshtoken-test-plan",
    variant: {
      ...RP,
      request_type: "request_object",
      client_auth_type: "private_key_jwt",
      response_type: "code",
      response_mode: "default",
    },
    client: { ...rp, auth: "private_key_jwt", signsRequest: true, refreshes: true },
  },
];
