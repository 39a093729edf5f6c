/** How many observers there may be, and how long they stay (RFC 7641, Section 4). */
export interface ObserveOptions {
  /** Observers of all resources together. Default 4,096. */
  readonly maxObservers?: number;
  /** Observers from one endpoint. Default 64. */
  readonly maxObserversPerPeer?: number;
  /** Milliseconds after which an observer that was sent nothing is let go with a 5.03, alive or not. Default 24 hours. */
  readonly idle?: number;
  /**
   * Milliseconds after which a registration of our own that neither failed nor was answered is sent again: longer than the layers below take to fail one.
   * Default 340,000 (MAX_TRANSMIT_WAIT and EXCHANGE_LIFETIME).
   */
  readonly patience?: number;
  /** Milliseconds before the end of its Max-Age at which a notification is sent again, if none came after it (RFC 7641, Section 4.3.1). Absent: it is not. */
  readonly refresh?: number;
  /** How an observation of our own ends: by a request (the default), or by the Reset to its next notification (RFC 7641, Section 3.6). */
  readonly cancellation?: 'deregister' | 'forget';
  /**
   * Answer a GET from an observation of the same target, as long as its last notification is fresh (RFC 7641, Section 3.1). Default: a GET asks the server, so
   * that it sees what was written before it.
   */
  readonly answerGets?: boolean;
}

/** What bounds the observers, with the defaults filled in. */
export type ObserveLimits = Required<Pick<ObserveOptions, 'maxObservers' | 'maxObserversPerPeer' | 'idle'>> & { readonly refresh: number | undefined };
