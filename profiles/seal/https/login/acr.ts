/** The authentication method that each SIM-S has (TS 33.434, A.4.2.2): name and password. */
export const passwordAcr = '3gpp:acr:password';
