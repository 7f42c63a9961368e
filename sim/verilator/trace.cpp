// Puts one image or recording through the compiled core and writes down, as text, what happens in it.
//
// program ITEMS WORDS LIMIT
//   ITEMS  file of 4 bytes each: pixels, the first in the lowest byte, or unit | step << 20 | end << 28
//   WORDS  file of 2 bytes each: weights that are loaded before
//   LIMIT  cycles without an answer after which the core counts as hung
//
// A line each, numbers separated by blanks:
//   item CYCLE                      an item was accepted
//   spike CYCLE LAYER UNIT STEP     a spike entered a layer
//   margin CYCLE UNIT STEP VALUE    the margin of an output at the end of a step
//   result CYCLE LABEL STEP VALUE   the first cycle in which the answer was valid; the last line
//
// Exits 3 if the core hangs; the reason is on stderr.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "core.h"
#include "input.h"

namespace {

uint64_t cycle = 0;

template <typename... Values>
void write(const char* what, Values... values) {
    std::printf("%s %llu", what, static_cast<unsigned long long>(cycle));
    (std::printf(" %lld", static_cast<long long>(values)), ...);
    std::printf("\n");
}

}  // namespace

// Called by the probes (sim/verilator/probes.py), on a clock edge.
extern "C" void spike(int layer, int unit, int step) { write("spike", layer, unit, step); }

extern "C" void margin(int unit, int step, long long value) { write("margin", unit, step, value); }

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const auto items = content<uint32_t>(argv[1]);
    const auto words = content<uint16_t>(argv[2]);
    const uint64_t limit = std::strtoull(argv[3], nullptr, 10);
    const auto core = make_core(1);
    core->offer(false, 0);
    core->set_ready(true);
    load(*core, words);
    for (uint64_t sent = 0; cycle < limit; ++cycle) {
        const bool reset = cycle < 2;
        const bool offer = sent < items.size();
        core->set_reset(reset);
        core->offer(offer, offer ? items[sent] : 0);
        core->set_clock(false);
        if (!reset && offer && core->takes_item()) {
            write("item");
            ++sent;
        }
        const Result result = core->result();
        if (!reset && result.valid) {
            if (result.fault) std::fprintf(stderr, "the answer says that its input is broken\n");
            write("result", result.label, result.step, result.margin);
            return result.fault ? 3 : 0;
        }
        core->set_clock(true);
    }
    std::fprintf(stderr, "no answer after %llu cycles\n", static_cast<unsigned long long>(limit));
    return 3;
}
