/** The OpenSSL configuration of this process, which decides on the loaders. */

/** Where OpenSSL's configuration comes from. */
export interface Configuration {
  /** `undefined` if the process was started without one. */
  readonly path: string | undefined;
  /** The option or the variable that names it. */
  readonly source: string;
}

const OPTION = "--openssl-config";

/** Returns the configuration that Node was started with. The option precedes the variable. */
export function configurationInForce(): Configuration {
  const path = optionIn(process.execArgv) ?? optionIn((process.env.NODE_OPTIONS ?? "").split(" "));
  if (path !== undefined) return { path, source: OPTION };
  return { path: process.env.OPENSSL_CONF || undefined, source: "OPENSSL_CONF" };
}

/** The last one counts. */
function optionIn(args: readonly string[]): string | undefined {
  const at = args.findLastIndex((argument) => argument === OPTION || argument.startsWith(`${OPTION}=`));
  const argument = args[at];
  return argument === OPTION ? args[at + 1] : argument?.slice(OPTION.length + 1);
}
