/** The library's messages in the words of the command: its options instead of those of the library. */

/** Advice about an option of the library → about the one of the command. Empty if the command lacks it. */
const ADVICE: readonly [RegExp, string][] = [
  [/set the prover's option clockOffset/, "pass --clock-offset"],
  [/set the option htu to a function that returns the server's/, "pass the server's with --htu"],
  [/set the option clientAuth \(--client-auth\) to "(\w+)"/, "pass --client-auth $1"],
  [/there was no clientSecret and no option clientAuth/, "there was neither a client secret nor --client-auth"],
  [/Use discover\(\) or the option (?:issuer|metadata)/, "Pass --issuer"],
  [/pass its identifier as resource/, "pass its identifier with --resource"],
  [/See allowInsecure/, "See --allow-insecure"],
  [/ See (?:allowPrivateEndpoints|the option endpoints)\./, ""],
];

const OPTIONS: Readonly<Record<string, string>> = {
  allowInsecure: "--allow-insecure",
  clientAuth: "--client-auth",
  redirectUri: "--redirect-uri",
  requestObject: "--sign-request",
  responseMode: "--response-mode",
};

/** Replaces the names of the library's options. */
export function withOptionNames(message: string): string {
  const text = ADVICE.reduce((text, [pattern, advice]) => text.replace(pattern, advice), message);
  return text.replace(/\bthe option (\w+)/g, (words, name: string) => OPTIONS[name] ?? words);
}
