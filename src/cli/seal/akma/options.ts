import type { Command } from 'commander';

/** Below the options of a command that takes keys. */
export const keyHelp = `
A key is hex, @file, or - for standard input. Others can see what stands on a command line: ACE_COAP_KAUSF and ACE_COAP_KAKMA are read where the options are
absent.`;

/** The options of `AnchorFlags`. */
export function withAnchor(command: Command): Command {
  return command
    .option('--kausf <key>', 'K_AUSF, which a primary authentication leaves, 32 bytes; with --supi')
    .option('--supi <supi>', 'who the subscriber is: imsi-001010000000001')
    .option('--routing-indicator <digits>', 'routing indicator in the A-KID', '0')
    .option('--home-network <domain>', 'realm of the A-KID', '5gc.mnc001.mcc001.3gppnetwork.org')
    .option('--kakma <key>', 'K_AKMA in place of K_AUSF, 32 bytes; with --a-kid')
    .option('--a-kid <a-kid>', 'the A-KID that goes with --kakma');
}
