/** What the tests use of cose-js, which has no types. */
declare module 'cose-js' {
  interface Headers {
    readonly p?: Readonly<Record<string, string>>;
    readonly u?: Readonly<Record<string, string>>;
  }
  interface EcKey {
    readonly x?: Buffer;
    readonly y?: Buffer;
    readonly d?: Buffer;
  }
  export const sign: {
    create(headers: Headers, payload: Buffer, signer: { readonly key: EcKey; readonly externalAAD?: Buffer }): Promise<Buffer>;
    verify(message: Buffer, verifier: { readonly key: EcKey; readonly externalAAD?: Buffer }): Promise<Buffer>;
  };
  export const mac: {
    create(headers: Headers, payload: Buffer, recipient: { readonly key: Buffer }, externalAAD?: Buffer): Promise<Buffer>;
    read(message: Buffer, key: Buffer, externalAAD?: Buffer): Promise<Buffer>;
  };
  export const encrypt: {
    create(headers: Headers, payload: Buffer, recipient: { readonly key: Buffer }, options?: { readonly externalAAD?: Buffer }): Promise<Buffer>;
    read(message: Buffer, key: Buffer, options?: { readonly externalAAD?: Buffer }): Promise<Buffer>;
  };
}
