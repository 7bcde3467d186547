/*
 * sign_many.c - genuine initData of many users, one a line, each with an id of its own.
 *
 *     sign_many N <BOT_TOKEN
 *
 * For benchmarks, which want more signed-in users than conf/sign-initdata.sh makes in a minute.
 */
#include "config.h"

#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void hmac(const void *key, size_t length, const char *text, unsigned char out[32])
{
	HMAC(EVP_sha256(), key, (int)length, (const unsigned char *)text, strlen(text), out, NULL);
}

static void print_user(const unsigned char secret[32], long id, long date)
{
	char text[128];
	unsigned char hash[32];

	snprintf(text, sizeof text, "auth_date=%ld\nuser={\"id\":%ld,\"first_name\":\"Ada\"}", date, id);
	hmac(secret, 32, text, hash);
	printf("user=%%7B%%22id%%22%%3A%ld%%2C%%22first_name%%22%%3A%%22Ada%%22%%7D&auth_date=%ld&hash=", id, date);
	for (int i = 0; i < 32; i++)
		printf("%02x", hash[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	char token[256];
	unsigned char secret[32];
	long date = (long)time(NULL);

	if (argc != 2 || fgets(token, sizeof token, stdin) == NULL) {
		fprintf(stderr, "usage: sign_many N <BOT_TOKEN\n");
		return 64;
	}
	token[strcspn(token, "\n")] = '\0';
	hmac("WebAppData", 10, token, secret);
	for (long i = 1; i <= atol(argv[1]); i++)
		print_user(secret, 100000 + i, date);
	return 0;
}
