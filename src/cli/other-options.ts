/** Options that users of other tools expect, and what does the same here. */
import type { Command } from "commander";

const WHY_NO_SECRET = "Other users can read the arguments of a process.";
const PIN =
  `${WHY_NO_SECRET} Add the PIN's source to the key's URI, after the question mark: pin-source=env:NAME or ` +
  "pin-source=/path/to/file. Without one, the command asks for the PIN at a terminal.";
const PASSPHRASE =
  `${WHY_NO_SECRET} Add the source to the key's URI, after the question mark: passphrase-source=env:NAME (file:) or ` +
  "pin-source=env:NAME (pkcs11:, tpm:).";
const CLIENT_SECRET = `${WHY_NO_SECRET} Set HARDPROOF_CLIENT_SECRET, or pass --client-secret-file <path>.`;
const ACCESS_TOKEN = `${WHY_NO_SECRET} Pass the token with --token -, --token-env <name> or --token-file <path>.`;
const PROXY = "Set HTTPS_PROXY, which is used with Node 24.14 or later, or with Node 22.21 and NODE_USE_ENV_PROXY=1.";
const PRIVATE_CA = "Set NODE_EXTRA_CA_CERTS to a file with the CA's certificate in PEM.";
const TIMEOUT = "The option is --timeout <seconds>.";
const TOKEN_ENDPOINT = "The option is --token-endpoint <url>.";

function inUri(attribute: string): string {
  return `Add it to the key's URI: ${attribute}.`;
}

function secretFrom(variable: string, option: string): string {
  return `${WHY_NO_SECRET} Set ${variable}, or pass ${option} <path>.`;
}

/** Option → advice. A command that has the option never asks for it. */
const ADVICE: Readonly<Record<string, string>> = {
  "--pin": PIN,
  "--pin-value": PIN,
  "--user-pin": PIN,
  "--so-pin": "A security officer's PIN isn't needed: initialise the token with the store's own tool.",
  "-p": PIN,
  "--password": PASSPHRASE,
  "--passphrase": PASSPHRASE,
  "--secret": CLIENT_SECRET,
  "--client-secret": CLIENT_SECRET,
  "--access-token": ACCESS_TOKEN,
  "--bearer": ACCESS_TOKEN,
  "--refresh-token": secretFrom("HARDPROOF_REFRESH_TOKEN", "--refresh-token-file"),
  "--subject-token": secretFrom("HARDPROOF_SUBJECT_TOKEN", "--subject-token-file"),
  "--actor-token": secretFrom("HARDPROOF_ACTOR_TOKEN", "--actor-token-file"),
  "--initial-access-token": secretFrom("HARDPROOF_INITIAL_ACCESS_TOKEN", "--initial-access-token-file"),
  "--software-statement": `${WHY_NO_SECRET} Pass --software-statement-file <path>.`,
  "--module": inUri("?module-path=/path/to/library.so, or ?module-name=softhsm2"),
  "--module-path": inUri("?module-path=/path/to/library.so"),
  "--module-name": inUri("?module-name=softhsm2"),
  "--pin-source": inUri("?pin-source=env:NAME"),
  "--token-label": inUri("pkcs11:token=LABEL"),
  "--slot": inUri("pkcs11:slot-id=0"),
  "--label": inUri("pkcs11:…;object=LABEL"),
  "--object": inUri("pkcs11:…;object=LABEL"),
  "--id": inUri("pkcs11:…;id=%01"),
  "--region": inUri("awskms:///…?region=eu-central-1"),
  "--login": "The command logs in with the URI's pin-source when the store requires it.",
  "--algorithm": "The option is --alg (keygen), or the URI's attribute algorithm.",
  "--type": "The option is --alg (keygen).",
  "-y": "To confirm a deletion, pass --yes.",
  "--force": "To confirm a deletion, pass --yes.",
  "--protection": "The option is --require.",
  "--out": "The option is --output.",
  "--cacert": PRIVATE_CA,
  "--ca": PRIVATE_CA,
  "-k": `Certificates are always verified. ${PRIVATE_CA}`,
  "--insecure": `Certificates are always verified. ${PRIVATE_CA}`,
  "--max-time": TIMEOUT,
  "-m": TIMEOUT,
  "--connect-timeout": TIMEOUT,
  "--token-url": TOKEN_ENDPOINT,
  "--token-uri": TOKEN_ENDPOINT,
  "--proxy": PROXY,
  "-x": PROXY,
  "-u": "Pass --client-id <id>, and the secret in HARDPROOF_CLIENT_SECRET.",
  "--user": "Pass --client-id <id>, and the secret in HARDPROOF_CLIENT_SECRET.",
  "-L": "A redirect is followed if it stays on the same origin.",
  "--location": "A redirect is followed if it stays on the same origin.",
  "-v": "For the response's status and headers, use hardproof fetch --include.",
  "--verbose": "For the response's status and headers, use hardproof fetch --include.",
  "--version": "Run hardproof --version.",
  "-V": "Run hardproof --version.",
};

/** Options that are arguments of some commands. */
const ARGUMENTS: Readonly<Record<string, string>> = {
  "--key": "uri",
  "--uri": "uri",
  "--proof": "proof",
  "--url": "url",
};

/** Returns the advice for an option that the command doesn't have, if there is any. */
export function adviceForOption(name: string, command: Command): string | undefined {
  const argument = command.registeredArguments.find((each) => each.name() === ARGUMENTS[name]);
  if (argument)
    return `Pass it as an argument: hardproof ${command.name()} ${command.usage().replace("[options] ", "")}.`;
  if (name === "--uri" && command.options.some(({ long }) => long === "--key")) return "Did you mean --key?";
  return Object.hasOwn(ADVICE, name) ? ADVICE[name] : undefined;
}
