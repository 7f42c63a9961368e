// Runs a netlist and counts how often each of its wires toggles.
//
// program OUT CYCLES                  a design with the port clk alone, for CYCLES cycles
// program OUT IMAGES PIXELS SKIPPED [WORDS]
//                                     a core: every image of the file IMAGES, back to back; before
//                                     them its weights, if there is a file of 2 bytes each
//
// With images, counting begins when the first SKIPPED answers have come, and ends with the last
// answer: whole images in the steady state, each while another streams in, the last with the
// first again. Values are sampled once per cycle, when all has settled: glitches do not show.
//
// OUT gets 64-bit numbers: the cycles counted, for each bit of the port "wires" how often it
// changed, for each bit of "enables" in how many cycles it was 1. Exits 3 if no answer comes.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "Dut.h"
#include "verilated.h"

namespace {

constexpr uint64_t kPatience = 1 << 20;  // cycles without an answer

// Both ports are wider than 64 bits, so that Verilator makes words of 32 bits of them.
class Counter {
  public:
    explicit Counter(Dut& dut)
        : dut_(dut), before_(WIRES / 32), changes_(WIRES), ones_(ENABLES) {}

    void cycle(bool counted) {
        for (size_t word = 0; word < before_.size(); ++word) {
            const uint32_t now = dut_.wires[word];
            if (counted) add(changes_, word, now ^ before_[word]);
            before_[word] = now;
        }
        for (size_t word = 0; counted && word < ENABLES / 32; ++word)
            add(ones_, word, dut_.enables[word]);
        cycles_ += counted;
    }

    bool write(const char* path) const {
        FILE* file = std::fopen(path, "wb");
        if (!file) return false;
        std::fwrite(&cycles_, 8, 1, file);
        std::fwrite(changes_.data(), 8, changes_.size(), file);
        std::fwrite(ones_.data(), 8, ones_.size(), file);
        return std::fclose(file) == 0;
    }

  private:
    static void add(std::vector<uint64_t>& counts, size_t word, uint32_t bits) {
        for (; bits; bits &= bits - 1) ++counts[32 * word + __builtin_ctz(bits)];
    }

    Dut& dut_;
    std::vector<uint32_t> before_;
    std::vector<uint64_t> changes_, ones_;
    uint64_t cycles_ = 0;
};

std::vector<uint8_t> content(const char* path) {
    std::vector<uint8_t> data;
    FILE* file = std::fopen(path, "rb");
    if (!file) return data;
    for (uint8_t block[1 << 16]; size_t got = std::fread(block, 1, sizeof block, file);)
        data.insert(data.end(), block, block + got);
    std::fclose(file);
    return data;
}

}  // namespace

int main(int argc, char** argv) {
    const auto context = std::make_unique<VerilatedContext>();
    const auto dut = std::make_unique<Dut>(context.get());
    Counter counter(*dut);
#ifdef CLOCK_ALONE
    if (argc != 3) return 2;
    const uint64_t cycles = std::strtoull(argv[2], nullptr, 10);
    for (uint64_t cycle = 0; cycle <= cycles; ++cycle) {
        dut->clk = 0;
        dut->eval();
        dut->clk = 1;
        dut->eval();
        counter.cycle(cycle > 0);
    }
#else
    if (argc < 5) return 2;
    const uint64_t pixels = std::strtoull(argv[3], nullptr, 10);
    const uint64_t skipped = std::strtoull(argv[4], nullptr, 10);
    const std::vector<uint8_t> data = content(argv[2]);
    if (data.empty()) return 2;
    uint64_t begin = 2;  // cycle of the first pixel
#ifdef LOADS
    if (argc != 6) return 2;
    const std::vector<uint8_t> words = content(argv[5]);
    begin += words.size() / 2;
#endif
    const uint64_t images = data.size() / pixels;

    uint64_t sent = 0, answers = 0, last = 0;
    for (uint64_t cycle = 0; answers < images; ++cycle) {
        dut->rst = cycle < 2;
        dut->pixel_valid = cycle >= begin;
#ifdef LOADS
        const uint64_t word = cycle - 2;
        dut->load_valid = cycle >= 2 && cycle < begin;
        dut->load_address = word;
        dut->load_data = dut->load_valid ? words[2 * word] | words[2 * word + 1] << 8 : 0;
#endif
        dut->pixel_data = data[sent % data.size()];
        dut->result_ready = 1;
        dut->clk = 0;
        dut->eval();
        const bool send = dut->pixel_valid && dut->pixel_ready;
        const bool answer = !dut->rst && dut->result_valid;
        counter.cycle(answers >= skipped);
        dut->clk = 1;
        dut->eval();
        sent += send;
        answers += answer;
        if (answer || cycle < begin) last = cycle;
        if (cycle - last > kPatience) {
            std::fprintf(stderr, "no answer %llu\n", static_cast<unsigned long long>(answers));
            return 3;
        }
    }
#endif
    dut->final();
    return counter.write(argv[1]) ? 0 : 2;
}
