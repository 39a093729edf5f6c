/** A certificate and its key, in PEM. */
export interface LabCertificate {
  readonly cert: string;
  readonly key: string;
}

/** What a T8 gateway, its SCS/AS and its device have in a lab. */
export interface SealT8Lab {
  /** TCP ports on 127.0.0.1: of the gateway, and of where the SCS/AS is notified. */
  readonly port: number;
  readonly notifyPort: number;
  /** UDP port of the device. */
  readonly devicePort: number;
  readonly scef: LabCertificate;
  readonly scsAs: LabCertificate;
  /** The key that signs tokens for the gateway, in PEM. */
  readonly tokenKey: string;
  /** The secret of the SCS/AS, with its slow hash. */
  readonly secret: { readonly secret: string; readonly hash: string };
}

/** What a SEAL deployment has over HTTPS. */
export interface SealHttpsLab {
  /** TCP ports on 127.0.0.1. */
  readonly asPort: number;
  readonly rsPort: number;
  /** In PEM: what the certificates are signed by; those of the SIM-S, of the SEAL server and of a VAL server; and the key that signs tokens for the SEAL server. */
  readonly ca: string;
  /** The list of those of its certificates that are revoked, and the TCP port on which it is had. */
  readonly crl: string;
  readonly crlPort: number;
  readonly simS: LabCertificate;
  readonly sealServer: LabCertificate;
  readonly valServer: LabCertificate;
  readonly tokenKey: string;
  /** The secrets of an application and of a VAL server, with their slow hashes, and the password of the VAL user. */
  readonly app: { readonly secret: string; readonly hash: string };
  readonly val: { readonly secret: string; readonly hash: string };
  readonly password: string;
  /** CAPIF: ports of the API exposing function and of the core function, what they show, and what signs the tokens of the latter. */
  readonly capif: {
    readonly port: number;
    readonly corePort: number;
    readonly aef: LabCertificate;
    readonly core: LabCertificate;
    readonly signingKey: string;
  };
  /** MSGin5G over TLS: its port, and a subscriber of the AAnF by line, with K_AUSF in hexadecimal as the UE has it. */
  readonly msgin5g: { readonly port: number; readonly supi: string; readonly subscriber: string; readonly kAusf: string };
  /** Absent: there is no T8 gateway. */
  readonly t8?: SealT8Lab;
}
