// oxlint-disable-next-line import/no-unassigned-import -- @peculiar/x509's container wants the polyfill before it is loaded
import 'reflect-metadata';
import { randomBytes, type webcrypto } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as x509 from '@peculiar/x509';

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

export interface CertificateOptions {
  /** Names and addresses of hosts. @default localhost and 127.0.0.1 */
  readonly hosts?: readonly string[];
  /** @default yesterday */
  readonly validFrom?: Date;
  /** @default in ten days */
  readonly validUntil?: Date;
}

/** Both in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of a test: openssl may be missing where the tests run. */
export class Authority {
  /** In PEM. */
  readonly cert: string;
  readonly #name: string;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(name: string, keys: webcrypto.CryptoKeyPair, cert: string) {
    this.#name = name;
    this.#keys = keys;
    this.cert = cert;
  }

  static async create(name: string): Promise<Authority> {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      serialNumber: serialNumber(),
      keys,
      signingAlgorithm: KEY_ALGORITHM,
      ...validity({}),
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new Authority(name, keys, certificate.toString('pem'));
  }

  /** For servers and clients alike. */
  async issue(name: string, options: CertificateOptions = {}): Promise<Certificate> {
    const { hosts = ['localhost', '127.0.0.1'] } = options;
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${name}`,
      issuer: `CN=${this.#name}`,
      serialNumber: serialNumber(),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: KEY_ALGORITHM,
      ...validity(options),
      extensions: [
        new x509.BasicConstraintsExtension(false),
        new x509.SubjectAlternativeNameExtension(
          hosts.map((value) => ({ type: /^[\d.]+$/.test(value) ? 'ip' : 'dns', value })),
        ),
        await x509.AuthorityKeyIdentifierExtension.create(this.#keys.publicKey),
      ],
    });
    const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
    return {
      cert: certificate.toString('pem'),
      key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
    };
  }
}

/** Of the past: valid for a day, until yesterday. */
export const EXPIRED: CertificateOptions = {
  validFrom: new Date(Date.now() - 2 * DAY_MS),
  validUntil: new Date(Date.now() - DAY_MS),
};

/** Writes a PEM file, of several parts one after another. @returns its path */
export function writePem(path: string, ...parts: readonly string[]): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, parts.map((part) => `${part.trim()}\n`).join(''), { mode: 0o600 });
  return path;
}

function validity({ validFrom, validUntil }: CertificateOptions): { notBefore: Date; notAfter: Date } {
  return {
    notBefore: validFrom ?? new Date(Date.now() - DAY_MS),
    notAfter: validUntil ?? new Date(Date.now() + 10 * DAY_MS),
  };
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
}

/** Positive, as RFC 5280 wants it. */
function serialNumber(): string {
  return `01${randomBytes(8).toString('hex')}`;
}
