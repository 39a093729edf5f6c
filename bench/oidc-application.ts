import { toBase64Url, utf8 } from '../src/core/bytes.ts';
import { digest } from '../src/core/crypto/index.ts';

/** An application that VAL users log in with. */
export const application = { clientId: 'app', secret: 'the secret of an application', redirectUri: 'https://app.example/callback' } as const;

export const codeVerifier = 'a-code-verifier-of-forty-three-characters-at-least';
export const codeChallenge: string = toBase64Url(digest('sha256', utf8(codeVerifier)));
