/** Access tokens for the Key Vault emulator: a credential for its client, and the managed identity endpoint of App Service. */
import { randomBytes, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

/** What a token is for, and whether it is still accepted. */
interface IssuedToken {
  readonly resource: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** The claims that the client requested. */
  readonly claims: string | undefined;
}

/** Seconds that a token is valid. */
const LIFETIME = 3_600;

/** Issues tokens, and knows those that it issued. */
export class TokenIssuer {
  readonly tenantId = randomUUID();
  /** The secret that a client of the managed identity endpoint sends. */
  readonly identityHeader = randomUUID();
  /** How many tokens were issued. */
  issued = 0;
  /** Seconds that the next tokens are valid. */
  lifetime = LIFETIME;
  readonly #tokens = new Map<string, IssuedToken>();

  /** Issues a token as Entra does: a JWT. Its signature isn't one, since the emulator knows its tokens. */
  issue(resource: string, claims?: string): { token: string; expiresOnTimestamp: number } {
    const expiresAt = Date.now() + this.lifetime * 1000;
    const payload = { aud: resource, tid: this.tenantId, oid: randomUUID(), appid: APP_ID, exp: expiresAt / 1000 };
    const parts = [{ typ: "JWT", alg: "RS256" }, payload].map((part) =>
      Buffer.from(JSON.stringify(part)).toString("base64url"),
    );
    const token = [...parts, randomBytes(32).toString("base64url")].join(".");
    this.#tokens.set(token, { resource, expiresAt, claims });
    this.issued += 1;
    return { token, expiresOnTimestamp: expiresAt };
  }

  /** Returns whether a request has a token for the resource. */
  accepts(request: IncomingMessage, resource: string): boolean {
    const issued = this.#find(request);
    return issued?.resource === resource && issued.expiresAt > Date.now();
  }

  /** Returns whether the token of a request was requested with these claims. */
  hasClaims(request: IncomingMessage, claims: string): boolean {
    return this.#find(request)?.claims === claims;
  }

  /** Makes every token invalid that was issued so far. */
  revokeAll(): void {
    this.#tokens.clear();
  }

  #find(request: IncomingMessage): IssuedToken | undefined {
    const [, token = ""] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? [];
    return this.#tokens.get(token);
  }

  /** Responds as the managed identity endpoint of App Service (`IDENTITY_ENDPOINT`). */
  serve(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): void {
    if (request.headers["x-identity-header"] !== this.identityHeader) {
      response
        .writeHead(401, { "content-type": "application/json" })
        .end('{"statusCode":401,"message":"Unauthorized"}');
      return;
    }
    const resource = query.get("resource") ?? "";
    const { token, expiresOnTimestamp } = this.issue(resource);
    const expires_on = String(Math.floor(expiresOnTimestamp / 1000));
    const body = { access_token: token, expires_on, resource, token_type: "Bearer", client_id: APP_ID };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  }
}

const APP_ID = "0a7bdc5c-7b57-40be-9939-d4c5fc7cd417";
