/**
 * The library's messages in the words of the command. The library follows two rules: it names an option as "the option NAME",
 * and what applies only to code is a sentence that starts with "In code,".
 */

/** Option of the library → what does the same in the command. */
const OPTIONS: Readonly<Record<string, string>> = {
  algorithm: "the URI's attribute algorithm",
  allowInsecure: "--allow-insecure",
  audience: "--audience",
  clientAuth: "--client-auth",
  clientSecret: "HARDPROOF_CLIENT_SECRET or --client-secret-file",
  clockOffset: "--clock-offset",
  extra: "--extra",
  htu: "--htu",
  issuer: "--issuer",
  metadata: "--issuer",
  passphrase: "passphrase-source=env:NAME in the key's URI, after the question mark",
  pin: "pin-source=env:NAME in the key's URI, after the question mark",
  publicKey: "--public-key",
  pushed: "--par",
  redirectUri: "--redirect-uri",
  region: "the URI's attribute region",
  requestObject: "--sign-request",
  requireBinding: "--require-binding",
  resource: "--resource",
  responseMode: "--response-mode",
  scope: "--scope",
  sessions: "the URI's attribute sessions",
  timeout: "--timeout",
};

const TYPE_IT = "To type the secret at a terminal, leave the attribute out.";
const PIN_TRIES = "Correct it before the next run: each run with a wrong PIN spends a try.";

/** Advice that isn't one word → that of the command. */
const ADVICE: readonly [RegExp, string][] = [
  [/^issuer (?=must|http)/, "--issuer "],
  [/^baseUrl (?=must|http)/, "--base-url "],
  [/^htu must/, "The URL must"],
  [/^htm must/, "The method must"],
  [/^nonce must/, "--nonce must"],
  [/; required is /, "; --require asks for "],
  [/^accessToken must/, "The access token must"],
  [/^resource must be (.*), or an array of them\./, "--resource must be $1. It can be repeated."],
  [/ to be private_key_jwt, tls_client_auth, self_signed_tls_client_auth/, " private_key_jwt"],
  [/(?:Use|use) discover\(\) or the option (?:issuer|metadata)/g, "Pass --issuer"],
  [/Use OAuthClient\.discover\(\) with the issuer of its server\./g, "Pass the issuer of its server with --issuer."],
  [/pass its identifier as resource/g, "pass its identifier with --resource"],
  [/[Ss]et the option htu\b/g, "pass the server's with --htu"],
  [/[Ss]et the option clientAuth to (\w+)/g, "pass --client-auth $1"],
  [
    /neither the option clientSecret nor the option clientAuth is set\./g,
    "no client secret was sent. Set HARDPROOF_CLIENT_SECRET, or pass --client-secret-file or --client-auth.",
  ],
  [/[Ss]et the option (pin|passphrase)\b/g, "add $1-source=env:NAME to the key's URI, after the question mark"],
  [/((?:pin|passphrase)-source must be env:NAME, or the absolute path of a file[^.]*)\./, `$1. ${TYPE_IT}`],
  [/\b([Tt])he (PIN|passphrase) from the function\b/g, "$1he $2 that you typed"],
  [/^((?:pkcs11|tpm):.* )The PIN (?=is wrong|was wrong|has a length|contains)/, "$1The PIN in the URI (pin-value) "],
  [/It was tried once; this process doesn't try it again\./, PIN_TRIES],
  [/This process doesn't try this PIN again, since a token locks after a few: correct it, and restart\./, PIN_TRIES],
  [/(was wrong before\.) This process doesn't try it again\./, `$1 ${PIN_TRIES}`],
  [/\b([Ss])et the option (allowInsecure|clientAuth|clockOffset|publicKey)\b/g, "pass the option $2"],
];

/** A sentence for programmers. A period within a name, such as `clientConfig.authClient`, doesn't end it. */
const IN_CODE = / ?\bIn code, .*?\.(?= |$)/g;

/** Replaces the names of the library's options. */
export function withOptionNames(message: string): string {
  const ours = message.replace(IN_CODE, "");
  const advised = ADVICE.reduce((text, [pattern, advice]) => text.replace(pattern, advice), ours);
  return advised.replace(/\bthe option (\w+)/gi, (words, name: string) =>
    Object.hasOwn(OPTIONS, name) ? (OPTIONS[name] ?? words) : words,
  );
}
