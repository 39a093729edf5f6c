import { rows as access } from './access.ts';
import { rows as akma } from './akma.ts';
import { rows as annexB } from './annex-b.ts';
import { rows as capif } from './capif.ts';
import { rows as cwt } from './cwt.ts';
import { rows as deployment } from './deployment.ts';
import { rows as guard } from './guard.ts';
import { rows as keyManagement } from './key-management.ts';
import { rows as kmHttps } from './km-https.ts';
import type { Rows } from './lab.ts';
import { rows as login } from './login.ts';
import { rows as openId } from './openid.ts';
import { rows as oscore } from './oscore.ts';
import { rows as protection } from './protection.ts';
import { rows as enhancements } from './rfc9175.ts';
import { rows as spatial } from './spatial.ts';
import { rows as t8 } from './t8.ts';
import { rows as transportSecurity } from './transport-security.ts';

/** All checks of the requirements. */
export const files: readonly Rows[] = [
  access,
  akma,
  annexB,
  capif,
  cwt,
  deployment,
  guard,
  keyManagement,
  kmHttps,
  login,
  openId,
  oscore,
  protection,
  enhancements,
  spatial,
  t8,
  transportSecurity,
];
