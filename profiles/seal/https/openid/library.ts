import type * as library from 'oidc-provider';
// The index of the library writes a warning to the console where Node is older than it likes; its parts write nothing, and have no types of their own.
// @ts-expect-error: no types for a part
import * as untypedErrors from 'oidc-provider/lib/helpers/errors.js';
// @ts-expect-error: no types for a part
import { Provider as UntypedProvider } from 'oidc-provider/lib/provider.js';

/** The OpenID provider of the library. */
export const Provider: typeof library.Provider = UntypedProvider;
/** An OpenID provider of the library. */
export type Provider = library.Provider;
/** What the library answers with an error of OAuth 2.0 or OpenID Connect. */
export const errors: typeof library.errors = untypedErrors;
