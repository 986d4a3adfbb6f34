/** A user who logs in and consents to every request, or refuses it: oidc-provider's interactions without pages. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { InteractionResults, Provider } from "oidc-provider";

/** The user's account: the subject (`sub`) of tokens. */
export const ACCOUNT = "alice";
/** The path of oidc-provider's interactions. */
export const INTERACTION = "/interaction/";

/** Handles `GET /interaction/:uid`. Refuses the request with `?answer=no`. */
export async function interact(provider: Provider, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(req, res);
  const finish = (result: InteractionResults) => provider.interactionFinished(req, res, result);
  if (req.url?.endsWith("?answer=no"))
    return finish({ error: "access_denied", error_description: "refused by the user" });
  if (prompt.name === "login") return finish({ login: { accountId: ACCOUNT } });
  const grant = new provider.Grant({ accountId: session?.accountId ?? "", clientId: String(params.client_id) });
  const { missingOIDCScope = [], missingResourceScopes = {} } = prompt.details as Missing;
  for (const scope of missingOIDCScope) grant.addOIDCScope(scope);
  for (const [resource, scopes] of Object.entries(missingResourceScopes))
    for (const scope of scopes) grant.addResourceScope(resource, scope);
  await finish({ consent: { grantId: await grant.save() } });
}

interface Missing {
  missingOIDCScope?: string[];
  missingResourceScopes?: Record<string, string[]>;
}
