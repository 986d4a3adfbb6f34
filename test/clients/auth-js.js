/** Sign-in through Auth.js. Not TypeScript: its types load those of the DOM, which conflict with Node's in all files. */
import { Auth, skipCSRFCheck } from "@auth/core";
import Keycloak from "@auth/core/providers/keycloak";

export { Keycloak };

/** Signs a user in. See auth-js-types.d.ts. */
export async function signIn({ origin, provider, secret, browse }) {
  const accounts = [];
  const jwt = ({ token, account }) => {
    accounts.push(account);
    return token;
  };
  const config = {
    basePath: "/auth",
    secret,
    trustHost: true,
    skipCSRFCheck,
    callbacks: { jwt },
    providers: [provider],
  };
  const post = { method: "POST", body: new URLSearchParams() };
  const redirect = await Auth(new Request(`${origin}/auth/signin/${provider.id}`, post), config);
  const callback = await browse(redirect.headers.get("location"));
  const cookie = redirect.headers.getSetCookie().map((line) => line.split(";", 1)[0]);
  const signedIn = await Auth(new Request(callback, { headers: { cookie: cookie.join("; ") } }), config);
  return { accounts, cookies: signedIn.headers.getSetCookie() };
}
