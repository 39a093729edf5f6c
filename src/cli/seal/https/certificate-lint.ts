import { fromUtf8 } from '../../../core/bytes.ts';
import { systemEnv } from '../../../core/env.ts';
import { ProtocolError } from '../../../core/errors.ts';
import { certificatesOfPem } from '../../../core/pem.ts';
import { printable, printableJson } from '../../../core/printable.ts';
import { type CertificateRole, certificateRole, type Finding, lintCertificate } from '../../../pki/index.ts';
import { ExitCode, UsageError } from '../../exit.ts';
import { readInput } from '../../input.ts';
import { out } from '../../terminal.ts';

export interface LintFlags {
  readonly as?: CertificateRole;
  readonly json?: boolean;
}

/** `ace-coap seal certificate lint`: the first certificate by what it is for, those behind it as authorities. */
export async function certificateLintCommand(file: string, flags: LintFlags): Promise<void> {
  const ders = await certificatesIn(file);
  const certificates = ders.map((der, index) => {
    const as = index === 0 ? (flags.as ?? certificateRole(der)) : 'ca';
    return { as, findings: lintCertificate(der, { as, now: systemEnv.epoch() }) };
  });
  if (certificates.some(({ findings }) => findings.some(isFault))) process.exitCode = ExitCode.refused;
  if (flags.json === true) {
    console.log(printableJson({ certificates }));
    return;
  }
  for (const [index, { as, findings }] of certificates.entries()) {
    const faults = findings.filter(isFault).length;
    console.log(`certificate ${index + 1}, as ${as}: ${faults === 0 ? out('green', 'no fault') : out('red', faults === 1 ? '1 fault' : `${faults} faults`)}`);
    for (const { field, clause, severity, expected, got } of findings) {
      console.log(
        `  ${out(severity === 'fault' ? 'red' : 'yellow', severity.padEnd(6))}  ${printable(`${field}: expected ${expected}, got ${got}`)} (${clause})`,
      );
    }
  }
}

const isFault = ({ severity }: Finding): boolean => severity === 'fault';

async function certificatesIn(file: string): Promise<readonly Uint8Array[]> {
  try {
    const ders = certificatesOfPem(fromUtf8(await readInput(file)));
    if (ders.length > 0) return ders;
  } catch (error) {
    if (!(error instanceof ProtocolError) || error instanceof UsageError) throw error;
  }
  throw new UsageError(`${file}: expected a certificate in PEM, got none`);
}
