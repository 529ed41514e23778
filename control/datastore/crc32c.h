// SPDX-License-Identifier: BSD-3-Clause
//
// crc32c - CRC-32C (Castagnoli), as in RFC 3720 section 12.1. Fast enough for a journal, no more.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Continue a sum; start with 0.
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
