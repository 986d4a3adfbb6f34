/** oidc-provider's storage of codes, tokens and used `jti`s in a Map, which several Providers can share. */
import type { Adapter, AdapterPayload } from "oidc-provider";

type Stored = { readonly payload: AdapterPayload; readonly expires: number };
/** The storage, which several Providers can share. */
export type Memory = Map<string, Stored>;

/** The storage of one model of oidc-provider, such as `AccessToken`. */
export class StoredModels implements Adapter {
  readonly #model: string;
  readonly #memory: Memory;

  constructor(model: string, memory: Memory) {
    this.#model = model;
    this.#memory = memory;
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const expires = expiresIn === undefined ? Number.POSITIVE_INFINITY : Date.now() + expiresIn * 1000;
    this.#memory.set(this.#key(id), { payload, expires });
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const stored = this.#memory.get(this.#key(id));
    return stored !== undefined && stored.expires > Date.now() ? stored.payload : undefined;
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#findBy((payload) => payload.uid === uid);
  }

  async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.#findBy((payload) => payload.userCode === userCode);
  }

  async consume(id: string): Promise<void> {
    const payload = await this.find(id);
    if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id: string): Promise<void> {
    this.#memory.delete(this.#key(id));
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    for (const [key, { payload }] of this.#memory) {
      if (payload.grantId === grantId) this.#memory.delete(key);
    }
  }

  #key(id: string): string {
    return `${this.#model}:${id}`;
  }

  #findBy(matches: (payload: AdapterPayload) => boolean): AdapterPayload | undefined {
    const own = [...this.#memory].filter(([key]) => key.startsWith(`${this.#model}:`));
    return own.find(([, { payload, expires }]) => expires > Date.now() && matches(payload))?.[1].payload;
  }
}
