/** The requests to the process that makes tokens. The process loads the library, so that this one doesn't. */

/** `CK_ATTRIBUTE`, with its value as bytes. */
export interface Attribute {
  readonly type: number;
  readonly value: Buffer;
}

/** A key pair to generate or to import: the templates of its objects. */
export interface KeyPairRequest {
  /** The mechanism that generates the pair. `undefined` for a key to import, whose templates contain it. */
  readonly mechanism: number | undefined;
  readonly privateKey: readonly Attribute[];
  readonly publicKey: readonly Attribute[];
  /** Whether the token stores the public key too. */
  readonly publicObject: boolean;
}

/** The packages that can call the library, in order of preference, and their paths. */
export type Packages = readonly { readonly name: "graphene-pk11" | "koffi"; readonly path: string }[];

/** Where a token is. */
export interface TokenAddress {
  /** Path of SoftHSM's configuration file, which the library reads at `C_Initialize`. */
  readonly configuration: string;
}

/** A token, and the PIN of its user. */
export interface OpenToken extends TokenAddress {
  readonly serial: string;
  readonly pin: string;
}

/** The results of the requests, by the request's name. */
export interface Results {
  load: undefined;
  /** The serial number of the new token. */
  makeToken: string;
  /** How many key pairs were made. */
  addKeys: number;
  /** How many objects were deleted. */
  deleteObjects: number;
}

/** What each request contains, by its name. */
export interface Requests {
  /** Loads the library. Must be the first request. */
  load: { readonly module: string; readonly packages: Packages };
  makeToken: TokenAddress & {
    readonly label: string;
    readonly pin: string;
    readonly soPin: string;
    readonly keys: readonly KeyPairRequest[];
  };
  addKeys: OpenToken & { readonly keys: readonly KeyPairRequest[] };
  /** Deletes the objects that match one of the templates. */
  deleteObjects: OpenToken & { readonly templates: readonly (readonly Attribute[])[] };
}

/** A request to the process. */
export interface RequestMessage<Name extends keyof Requests = keyof Requests> {
  readonly id: number;
  readonly name: Name;
  readonly content: Requests[Name];
}

/** Its response. `error` is the library's return value, or the reason why the library can't be loaded. */
export interface ResponseMessage {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}
