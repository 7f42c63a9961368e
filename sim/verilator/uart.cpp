// The compiled accelerator at the end of a serial line, bit time by bit time.
//
// program DIVISOR SEED
//   DIVISOR  clock cycles per bit
//   SEED     of what registers and memories hold at power-up
//
// Reads from standard input a number N, 32 bits, and N levels of the line to the board, a byte and a
// bit time each. Answers with the number of bytes that have come meanwhile, 32 bits, and these bytes.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "Dut.h"
#include "receiver.h"
#include "verilated.h"

namespace {

class Board {
  public:
    Board(unsigned divisor, int seed) : divisor_(divisor) {
        context_.randReset(2);
        context_.randSeed(seed);
        dut_ = std::make_unique<Dut>(&context_);
        dut_->rx = 1;
        dut_->rst = 1;
        for (int count = 0; count < 4; ++count) step();
        dut_->rst = 0;
    }
    ~Board() { dut_->final(); }

    void bit(bool level) {
        dut_->rx = level;
        for (unsigned count = 0; count < divisor_; ++count) cycle();
    }

    std::vector<uint8_t> take() { return std::exchange(received_, {}); }

  private:
    void step() {
        dut_->clk = 0;
        dut_->eval();
        dut_->clk = 1;
        dut_->eval();
    }

    void cycle() {
        step();
        if (!receiver_.cycle(dut_->tx, divisor_)) return;
        if (!receiver_.whole()) std::fputs("a byte without a start or stop bit\n", stderr), std::exit(3);
        received_.push_back(receiver_.byte());
    }

    unsigned divisor_;
    Receiver receiver_;
    std::vector<uint8_t> received_;
    VerilatedContext context_;
    std::unique_ptr<Dut> dut_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    Board board(std::strtoul(argv[1], nullptr, 10), std::atoi(argv[2]));
    uint32_t count;
    std::vector<uint8_t> levels;
    while (std::fread(&count, sizeof count, 1, stdin) == 1) {
        levels.resize(count);
        if (std::fread(levels.data(), 1, count, stdin) != count) return 1;
        for (const uint8_t level : levels) board.bit(level);
        const std::vector<uint8_t> received = board.take();
        count = static_cast<uint32_t>(received.size());
        std::fwrite(&count, sizeof count, 1, stdout);
        std::fwrite(received.data(), 1, count, stdout);
        std::fflush(stdout);
    }
    return 0;
}
