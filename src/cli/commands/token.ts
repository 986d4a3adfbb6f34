/** `hardproof token`: an access token that is bound to a key. */
import type { Command } from "commander";
import { DPoPProver, openSigner } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { type GrantOptions, requestToken, withGrantOptions } from "../grant-options.js";
import { keyUri } from "../key-uri.js";

export function token(context: Context): Command {
  const { world, output } = context;
  const command = newCommand("token", "get an access token that is bound to a key, and print it alone");
  command.option("--key <uri>", "the key; or HARDPROOF_KEY");
  return withGrantOptions(command).action(async (options: GrantOptions & { key?: string }) => {
    await using signer = await openSigner(keyUri(options.key, world));
    const prover = await DPoPProver.create(signer, { signal: world.signal });
    const got = await requestToken(options, prover, context);
    const { accessToken, tokenType, expiresIn, scope, refreshToken, cnfJkt } = got;
    output.document({ accessToken, tokenType, expiresIn, scope, refreshToken, cnfJkt, jkt: prover.jkt });
    output.line(accessToken);
    output.note(cnfJkt === null ? "The server does not say which key it is bound to." : `bound to ${cnfJkt}`);
    if (expiresIn !== null) output.note(`expires in ${expiresIn} seconds`);
    if (scope !== null) output.note(`scope ${scope}`);
    if (refreshToken !== null) output.note("There is a refresh token too: --json shows it.");
  });
}
