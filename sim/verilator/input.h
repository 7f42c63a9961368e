// What goes into a core: files of items, and weights that are loaded.

#ifndef FIRSTSPIKE_INPUT_H_
#define FIRSTSPIKE_INPUT_H_

#include <cstdint>
#include <cstdio>
#include <vector>

#include "core.h"

template <typename T>
std::vector<T> content(const char* name) {
    std::vector<T> result;
    if (FILE* file = std::fopen(name, "rb")) {
        T block[1 << 12];
        while (size_t got = std::fread(block, sizeof(T), 1 << 12, file))
            result.insert(result.end(), block, block + got);
        std::fclose(file);
    }
    return result;
}

// Loads the weights, if they are no part of the core; they outlast a reset.
inline void load(Core& core, const std::vector<uint16_t>& words) {
    if (words.empty()) return;
    for (size_t cycle = 0; cycle < words.size() + 3; ++cycle) {
        const size_t address = cycle - 2;
        const bool valid = cycle >= 2 && address < words.size();
        core.set_reset(cycle < 2);
        core.load(valid, address, valid ? words[address] : 0xbad);
        core.set_clock(false);
        core.set_clock(true);
    }
}

#endif
