/** `hardproof token`: requests an access token that is bound to a key. */
import type { Command } from "commander";
import { DPoPProver, type Token } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { type GrantOptions, requestToken, withGrantOptions } from "../grant-options.js";
import { keyUris } from "../key-uri.js";
import { type KeyOption, type OpenKeyOptions, openReplicas, withKeyOption, withPublicKeyOption } from "../open-key.js";
import { withSavedNonces } from "../saved-nonces.js";
import { withTimeoutOption } from "../timeout-option.js";

interface TokenCommandOptions extends GrantOptions, KeyOption, OpenKeyOptions {}

/** Returns the command `token`. */
export function token(context: Context): Command {
  const { io, output } = context;
  const command = newCommand("token", "request an access token that is bound to a key, and print it");
  const withOptions = withGrantOptions(withPublicKeyOption(withKeyOption(command)));
  return withTimeoutOption(withOptions, "server", "store").action(async (options: TokenCommandOptions) => {
    await using key = await openReplicas(keyUris(undefined, options.key, io), options, context);
    const prover = await DPoPProver.create(key.signer, { clockOffset: options.clockOffset, signal: io.signal });
    const response = await withSavedNonces(prover, options, io, (nonces) =>
      requestToken({ ...options, nonces }, prover, context),
    );
    const { accessToken, expiresIn, scope, refreshToken, cnfJkt, idTokenClaims } = response;
    output.document({ ...tokenDocument(response), jkt: prover.jkt });
    output.line(accessToken);
    output.note(cnfJkt === null ? "The server doesn't report which key the token is bound to." : `bound to ${cnfJkt}`);
    if (expiresIn !== null) output.note(`expires in ${expiresIn} seconds`);
    if (scope !== null) output.note(`scope ${scope}`);
    if (idTokenClaims !== null) output.note(`user ${idTokenClaims.sub}`);
    // A refreshed token has the current refresh token if the response doesn't contain a new one.
    const isNew = refreshToken !== null && response.raw.refresh_token === refreshToken;
    if (isNew) output.note("The response contains a refresh token: use --json to print it.");
  });
}

/** Secrets aren't part of a copy of the token. */
function tokenDocument(token: Token): object {
  const { accessToken, refreshToken, actors, raw, ...others } = token;
  return { accessToken, ...others, refreshToken, actors, issuedTokenType: raw.issued_token_type ?? null };
}
