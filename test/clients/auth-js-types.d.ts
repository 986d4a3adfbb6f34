/** Types of auth-js.js, which is JavaScript. */
declare module "*/auth-js.js" {
  /** A sign-in through Auth.js. */
  interface SignIn {
    /** Of the application. */
    origin: string;
    /** The configuration of the provider, as Auth.js takes it. */
    provider: { id: string } & Record<string, unknown>;
    secret: string;
    /** Opens the authorization URL in a browser, and returns the URL of the callback. */
    browse: (url: string) => Promise<string>;
  }

  /** A provider that Auth.js has built in. */
  export function Keycloak(options: Record<string, unknown>): SignIn["provider"];

  /**
   * Signs a user in.
   *
   * @returns The accounts that Auth.js reports, and the cookies that it sets.
   */
  export function signIn(options: SignIn): Promise<{ accounts: unknown[]; cookies: string[] }>;
}
