/** Users whom oidc-provider asks on a device of theirs (CIBA): each decides by their name. */
import type { BackchannelAuthenticationRequest, Configuration, Provider } from "oidc-provider";
import { errors } from "./oidc-provider.js";

/** The user who confirms each request. */
export const CONFIRMING = "alice";
/** The user who denies each request. */
export const DENYING = "mallory";
/** The user who never decides. */
export const SILENT = "nobody";

type Ciba = NonNullable<NonNullable<Configuration["features"]>["ciba"]>;

/** Returns the configuration of CIBA in poll mode. */
export function backchannelPolicy(audience: string): Ciba {
  return {
    enabled: true,
    deliveryModes: ["poll"],
    processLoginHint: (_ctx, hint) => hint,
    processLoginHintToken: (_ctx, token) => token?.replace("token-of-", ""),
    validateBindingMessage: () => undefined,
    verifyUserCode: () => undefined,
    validateRequestContext: () => undefined,
    triggerAuthenticationDevice: (ctx, request) => decide(ctx.oidc.provider, request, audience),
  };
}

async function decide(provider: Provider, request: BackchannelAuthenticationRequest, audience: string): Promise<void> {
  const { accountId = "", clientId = "", scope = "" } = request;
  if (accountId === SILENT) return;
  if (accountId === DENYING)
    return provider.backchannelResult(request, new errors.AccessDenied("denied on the user's device"));
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope(scope);
  grant.addResourceScope(audience, scope);
  await grant.save();
  await provider.backchannelResult(request, grant);
}
