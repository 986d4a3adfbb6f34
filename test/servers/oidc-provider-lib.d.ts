/** Internal helpers of oidc-provider that a registered grant needs, and that its types don't declare. */
declare module "oidc-provider/lib/helpers/grants.js" {
  import type { KoaContextWithOIDC, Provider } from "oidc-provider";

  interface ProofOfPossession {
    readonly thumbprint: string;
    readonly jti: string;
  }

  export function validateDpop(provider: Provider, ctx: KoaContextWithOIDC): Promise<ProofOfPossession | undefined>;
  export function checkDpopReplay(
    provider: Provider,
    ctx: KoaContextWithOIDC,
    proof: ProofOfPossession | undefined,
    clientId: string,
  ): Promise<void>;
}
