/** The environment variables that the command reads, for the help and the manual page. */

/** Variable → what it is for. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  HARDPROOF_KEY: "default URI of the key",
  HARDPROOF_PROVIDERS: "packages with third-party key stores",
  HARDPROOF_CLIENT_ID: "OAuth client ID",
  HARDPROOF_CLIENT_SECRET: "OAuth client secret",
  HARDPROOF_REFRESH_TOKEN: "refresh token, for --grant refresh_token",
  HARDPROOF_SUBJECT_TOKEN: "token to exchange, for --grant token_exchange",
  HARDPROOF_ACTOR_TOKEN: "actor's token, for --grant token_exchange",
  HARDPROOF_INITIAL_ACCESS_TOKEN: "token that allows a registration, for register",
  BROWSER: "program that opens the URL of a login",
  XDG_STATE_HOME: "where nonces are kept (default: ~/.local/state)",
  HTTPS_PROXY: "proxy of requests, with Node 24.14 or later",
  NO_PROXY: "hosts that are reached without the proxy",
  NODE_EXTRA_CA_CERTS: "file with certificates of private CAs, in PEM",
  "NO_COLOR, FORCE_COLOR": "turn colour off, or on without a terminal",
};

/** The section of `hardproof --help` about the environment. */
export const ENVIRONMENT_HELP = `\nEnvironment:\n${Object.entries(ENVIRONMENT)
  .map(([name, meaning]) => `  ${name.padEnd(30)} ${meaning}\n`)
  .join("")}`;
