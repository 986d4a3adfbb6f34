/** A token request, as each grant completes and sends it. */
import type { AssertionKey, GrantRequest, OAuthClient } from "../../index.js";
import type { Context } from "../context.js";

/** A token request without the members that only its grant has. */
export interface GrantCall {
  readonly client: OAuthClient;
  readonly request: GrantRequest;
  /** The client's key, which signs assertions and authorization requests. */
  readonly assertionKey: AssertionKey;
  readonly context: Context;
}
