import type { IncomingMessage, ServerResponse } from 'node:http';

/** An authorization request that waits for its user. */
export interface ProviderInteraction {
  readonly uid: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly prompt: { readonly name: string; readonly details: Readonly<Record<string, unknown>> };
  /** Who is signed in, in this browser. */
  readonly session?: { readonly accountId: string } | undefined;
  readonly grantId?: string | undefined;
  /** What of it nobody but the provider and its store know. */
  readonly cid: string;
  /** There once it is finished. */
  readonly result?: object | undefined;
  /** Where the browser goes on then. */
  readonly returnTo: string;
  /** What came of the interaction before, for the same request. */
  readonly lastSubmission?: { readonly login?: unknown } | undefined;
}

/** What came of an interaction: a login, a consent, or an error of RFC 6749. */
export interface InteractionOutcome {
  readonly [key: string]: unknown;
  readonly login?: { accountId: string; acr: string; amr: string[]; remember: boolean };
  readonly consent?: { grantId: string };
  readonly error?: string;
  readonly error_description?: string;
}

/** What a user has granted an application. */
export interface ProviderGrant {
  /** Names with spaces between. */
  addOIDCScope(scope: string): unknown;
  /** Names of claims. */
  addOIDCClaims(claims: string[]): unknown;
  /** Names with spaces between, at a resource server. */
  addResourceScope(resource: string, scope: string): unknown;
  /** Its identifier. */
  save(): Promise<string>;
}

/** What the login needs of a `Provider` of oidc-provider 9; it has a shape of its own, so that only who makes one needs the types of that library. */
export interface InteractionProvider {
  /** The interaction of the cookie. It rejects with `SessionNotFound` where there is none. */
  interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<ProviderInteraction>;
  /** Answers, and has the browser go on. */
  interactionFinished(
    request: IncomingMessage,
    response: ServerResponse,
    outcome: InteractionOutcome,
    options?: { mergeWithLastSubmission?: boolean },
  ): Promise<unknown>;
  readonly Interaction: {
    /** `undefined`: there is none, or no more. */
    find(uid: string): Promise<unknown>;
  };
  readonly Client: {
    /** `undefined`: there is none. */
    find(clientId: string): Promise<{ readonly clientName?: string | undefined } | undefined>;
  };
  readonly Grant: {
    /** `undefined`: there is none, or no more. */
    find(grantId: string): Promise<ProviderGrant | undefined>;
    new (properties: { accountId: string; clientId: string }): ProviderGrant;
  };
}
