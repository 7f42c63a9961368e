// Streams images or events through the compiled core and writes down every answer, with the cycle in
// which it came and the step in which each hidden unit fired. An item is what goes in in a cycle:
// pixels, a spike or an end mark; an image is all items of one input.
//
// program ITEMS ENDS WORDS HIDDEN MODE STALLS SEED RESET LIMIT IDLE
//   ITEMS   file of 4 bytes each: pixels, the first in the lowest byte, or unit | step << 20 | end << 28
//   ENDS    file of 8 bytes per image: the index after its last item
//   WORDS   file of 2 bytes each: weights that are loaded before the first image
//   HIDDEN  hidden units that probes watch, 0 without probes
//   MODE    "alone": an image is offered to a core that is idle; "stream": at any time
//   STALLS  probability of a pause after each item and after each answer
//   SEED    of the pauses and of what memories and registers hold at power-up
//   RESET   cycle in which everything is reset and starts again from the first image; 0 is never
//   LIMIT   cycles without an answer after which the core counts as hung
//   IDLE    cycles after which a core is idle that was reset, or whose answer was taken
//
// Writes one record per image to stdout. Exits 3 if the core hangs, 4 if it violates the protocol of a
// valid/ready stream; the reason is on stderr.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "core.h"
#include "input.h"

namespace {

constexpr uint16_t kNever = 0xffff;
constexpr uint16_t kTwice = 0xfffe;

std::vector<uint16_t> firing;               // of the inference that runs: step of each hidden unit
std::deque<std::vector<uint16_t>> decided;  // of inferences whose answer is not yet taken

struct Record {
    uint64_t accepted;  // cycle in which the image's last pixel was accepted, or its first event
    uint64_t valid;     // first cycle in which its answer was valid
    int64_t margin;
    uint32_t label;
    uint32_t step;
};

// How long pauses last: mostly a few cycles, and between images sometimes so long that all
// buffers run full or empty.
class Pauses {
  public:
    Pauses(double share, uint64_t seed, uint64_t items)
        : share_(share), items_(items), random_(seed) {}

    uint64_t next(bool between_images) {
        if (share_ <= 0 || std::uniform_real_distribution<>()(random_) >= share_) return 0;
        const bool very_long = between_images && random_() % 4 == 0;
        return 1 + random_() % (very_long ? 4 * items_ : 4);
    }

  private:
    double share_;
    uint64_t items_;
    std::mt19937_64 random_;
};

}  // namespace

// Called by the probes (sim/verilator/probes.py), on a clock edge.
extern "C" void hidden_spike(int unit, int step) {
    uint16_t& entry = firing.at(unit);
    entry = entry == kNever ? static_cast<uint16_t>(step) : kTwice;
}

extern "C" void inference_ends() {
    decided.push_back(firing);
    firing.assign(firing.size(), kNever);
}

int main(int argc, char** argv) {
    if (argc != 11) return 2;
    const auto items = content<uint32_t>(argv[1]);
    const auto ends = content<uint64_t>(argv[2]);
    const auto words = content<uint16_t>(argv[3]);
    const uint64_t images = ends.size();
    const uint64_t typical = images ? items.size() / images : 1;
    const size_t hidden = std::strtoull(argv[4], nullptr, 10);
    const bool alone = std::strcmp(argv[5], "alone") == 0;
    const double stalls = std::strtod(argv[6], nullptr);
    const uint64_t seed = std::strtoull(argv[7], nullptr, 10);
    const uint64_t reset_at = std::strtoull(argv[8], nullptr, 10);
    const uint64_t limit = std::strtoull(argv[9], nullptr, 10);
    const uint64_t idle = alone ? std::strtoull(argv[10], nullptr, 10) : 0;

    const auto core = make_core(seed % 0x7fffffff + 1);
    Pauses item_pauses(stalls, 2 * seed, typical), result_pauses(stalls, 2 * seed + 1, typical);

    uint64_t sent = 0, begun = 0, taken = 0;    // items, images that are being sent, answers
    uint64_t item_pause = 0, result_pause = 0;  // cycles to wait
    std::deque<uint64_t> accepted;             // of images whose answer is not yet taken
    bool waiting = false;                      // an answer was valid before and was not taken
    Record record{};
    core->offer(false, 0);
    core->set_ready(false);
    load(*core, words);
    uint64_t last_progress = 0;
    bool reset_done = reset_at == 0;

    for (uint64_t cycle = 0; taken < images; ++cycle) {
        const bool reset_again = !reset_done && cycle >= reset_at;
        const bool reset = cycle < 2 || reset_again;
        if (reset) {
            reset_done |= reset_again;
            sent = begun = taken = result_pause = 0;
            item_pause = idle;
            accepted.clear();
            decided.clear();
            firing.assign(hidden, kNever);
            waiting = false;
            last_progress = cycle;
        }
        core->set_reset(reset);
        // With a reset to come, the images repeat until it does.
        if (!reset_done && sent == items.size()) sent = begun = 0;
        const uint64_t bound = alone && sent <= ends[taken] ? ends[taken] : items.size();
        const bool offer = sent < bound && item_pause == 0;
        core->offer(offer, offer ? items[sent] : static_cast<uint32_t>(cycle * 0x9e3779b1));
        const bool ready = result_pause == 0;
        core->set_ready(ready);
        core->set_clock(false);

        // What this cycle's clock edge will do.
        const bool send = !reset && offer && core->takes_item();
        const Result result = core->result();
        const bool valid = !reset && result.valid;
        const bool take = valid && ready;
        const Record now{0, cycle, result.margin, result.label, result.step};
        if (waiting && (!valid || now.margin != record.margin || now.label != record.label ||
                        now.step != record.step)) {
            std::fprintf(stderr, "answer %llu changed before it was taken, in cycle %llu\n",
                         static_cast<unsigned long long>(taken),
                         static_cast<unsigned long long>(cycle));
            return 4;
        }
        if (valid && result.fault) {
            std::fprintf(stderr, "answer %llu says that its input %s, in cycle %llu\n",
                         static_cast<unsigned long long>(taken),
                         core->takes_events() ? "is broken" : "has more spikes than lists hold",
                         static_cast<unsigned long long>(cycle));
            return 4;
        }
        if (valid && !waiting) record = now;
        waiting = valid && !take;

        core->set_clock(true);

        if (item_pause) --item_pause;
        if (result_pause) --result_pause;
        if (send) {
            const bool first = sent == (begun ? ends[begun - 1] : 0);
            const bool last = ++sent == ends[first ? begun : begun - 1];
            begun += first;
            if (core->takes_events() ? first : last) accepted.push_back(cycle);
            item_pause = item_pauses.next(last);
        }
        if (take) {
            if (accepted.empty() || (hidden && decided.empty())) {
                std::fprintf(stderr, "answer %llu came before its image, in cycle %llu\n",
                             static_cast<unsigned long long>(taken),
                             static_cast<unsigned long long>(cycle));
                return 4;
            }
            record.accepted = accepted.front();
            accepted.pop_front();
            if (reset_done) {
                std::fwrite(&record, sizeof record, 1, stdout);
                if (hidden) std::fwrite(decided.front().data(), 2, hidden, stdout);
                if (taken % 64 == 63) std::fflush(stdout);
            }
            if (hidden) decided.pop_front();
            if (++taken == images && !reset_done) taken = 0;
            result_pause = result_pauses.next(true);
            if (alone) item_pause = idle;
            last_progress = cycle;
        }

        if (cycle - last_progress > limit) {
            std::fprintf(stderr, "no answer %llu after %llu cycles, %llu items taken\n",
                         static_cast<unsigned long long>(taken),
                         static_cast<unsigned long long>(limit),
                         static_cast<unsigned long long>(sent));
            return 3;
        }
    }
    return 0;
}
