/*
 * What signatures need of libcrypto, loaded when the first key is read: most commands never see one. The table has
 * OpenSSL's own names and types; registry/ calls it as crypto->EVP_PKEY_free() and so on.
 */
#ifndef COOPER_REGISTRY_CRYPTO_H
#define COOPER_REGISTRY_CRYPTO_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "base/error.h"
#include "base/library.h"

#define CRYPTO_FUNCTIONS(X)         \
	X(BIO_new)                  \
	X(BIO_s_mem)                \
	X(BIO_ctrl)                 \
	X(BIO_new_mem_buf)          \
	X(BIO_free)                 \
	X(CRYPTO_free)              \
	X(CRYPTO_clear_free)        \
	X(CRYPTO_memcmp)            \
	X(ERR_clear_error)          \
	X(EVP_DigestSign)           \
	X(EVP_DigestSignInit_ex)    \
	X(EVP_DigestVerify)         \
	X(EVP_DigestVerifyInit_ex)  \
	X(EVP_MD_CTX_free)          \
	X(EVP_MD_CTX_new)           \
	X(EVP_PBE_scrypt)           \
	X(EVP_PKCS82PKEY)           \
	X(EVP_PKEY2PKCS8)           \
	X(EVP_PKEY_Q_keygen)        \
	X(EVP_PKEY_free)            \
	X(EVP_PKEY_get_base_id)     \
	X(EVP_PKEY_get_bits)        \
	X(EVP_Q_mac)                \
	X(EVP_aes_256_cbc)          \
	X(PEM_read_bio)             \
	X(PEM_read_bio_PUBKEY)      \
	X(PEM_read_bio_PrivateKey)  \
	X(PEM_write_bio_PKCS8)      \
	X(PEM_write_bio_PUBKEY)     \
	X(PKCS5_pbe2_set_scrypt)    \
	X(PKCS8_PRIV_KEY_INFO_free) \
	X(PKCS8_set0_pbe)           \
	X(RAND_bytes)               \
	X(X509_ALGOR_free)          \
	X(X509_SIG_free)            \
	X(d2i_PKCS8_PRIV_KEY_INFO)  \
	X(i2d_PUBKEY)

struct crypto_library {
	CRYPTO_FUNCTIONS(LIBRARY_MEMBER)
};

/* The table, filled; of the process, never freed. */
int crypto_load(const struct crypto_library **crypto, struct error **err);

#endif
