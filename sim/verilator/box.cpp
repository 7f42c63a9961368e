// A board in a box: the compiled accelerator, whose UART is a pseudo-terminal. It knows of pins only,
// nothing of what is said over them. Compiled with each design; FLASH says whether it reads a flash.
//
// program TERMINAL DIVISOR BAUD CLOCK FLASH ADDRESS
//   TERMINAL  descriptor of the terminal's end that is ours
//   DIVISOR   clock cycles per bit
//   BAUD      bits per second that DIVISOR stands for: a terminal set to another rate sends bits that
//             are as much longer or shorter, so that nobody is understood, as on a board
//   CLOCK     Hz, for time on an idle line
//   FLASH     file: what the flash holds from ADDRESS on; the rest is erased
//
// Time: while bytes go in or out, or the flash is read, the simulation runs as fast as it can. Else a
// clock cycle takes 1 / CLOCK, or as long as the simulation needs for it. After a second in which
// nothing happened at any pin time stands still, and so does the computer, until a byte comes.
//
// Ends when nobody has the terminal's other end open any more.

#include <asm/termbits.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "Dut.h"
#include "receiver.h"
#include "verilated.h"

namespace {

constexpr double kStill = 1.0;  // seconds
constexpr uint64_t kReset = 4;  // cycles
constexpr size_t kPiece = 64;   // bytes

double now() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(since).count();
}

// What a flash does (W25Q128JV): sleeps until command AB, then reads by command 03.
class Flash {
  public:
    Flash(std::string content, uint64_t address)
        : content_(std::move(content)), address_(address) {}

    // One clock cycle of the accelerator; returns the flash's output.
    bool cycle(bool selected, bool clock, bool input) {
        if (selected && !selected_) command_ = count_ = 0;
        if (selected && clock && !clock_ && ++count_ <= 32) command_ = command_ << 1 | input;
        if (selected && !clock && clock_ && awake_ && count_ >= 32 && command_ >> 24 == 0x03)
            output_ = bit((command_ & 0xffffff) * uint64_t{8} + count_ - 32);
        if (!selected && selected_ && command_ == 0xab && count_ == 8) awake_ = true;
        selected_ = selected;
        clock_ = clock;
        return output_;
    }

  private:
    bool bit(uint64_t position) const {
        const uint64_t byte = position / 8 - address_;
        return byte >= content_.size() || content_[byte] >> (7 - position % 8) & 1;
    }

    std::string content_;
    uint64_t address_, count_ = 0;
    uint32_t command_ = 0;
    bool awake_ = false, selected_ = false, clock_ = false, output_ = true;
};

class Box {
  public:
    Box(int terminal, double divisor, double baud, Flash flash)
        : terminal_(terminal), divisor_(divisor), baud_(baud), flash_(std::move(flash)) {
        context_.randReset(2);  // what is not reset must not matter
        context_.randSeed(1);
        dut_ = std::make_unique<Dut>(&context_);
        dut_->rx = 1;
        for (uint64_t count = 0; count < kReset; ++count) {
            dut_->rst = 1;
            step();
        }
        dut_->rst = 0;
    }
    ~Box() { dut_->final(); }

    // Puts ten bits on the line to the board; returns how many cycles that were. What has come goes
    // to the terminal when the board pauses, as adapters have it: few pieces cost less than many.
    uint64_t send(unsigned levels, bool& active) {
        const double bit = host_bit();
        const size_t before = received_.size();
        uint64_t cycle = 0;
        for (int index = 0; index < kFrame; ++index) {
            dut_->rx = levels >> index & 1;
            for (const auto end = static_cast<uint64_t>(std::llround((index + 1) * bit));
                 cycle < end; ++cycle)
                active |= step(bit);
        }
        if (received_.size() == before || before >= kPiece) pass_on();
        return cycle;
    }

  private:
    // Clock cycles of a bit, as the host has set its rate.
    double host_bit() const {
        struct termios2 settings;
        if (ioctl(terminal_, TCGETS2, &settings) || !settings.c_ospeed) return divisor_;
        return std::fmax(1, divisor_ * baud_ / settings.c_ospeed);
    }

    void step() {
        dut_->clk = 0;
        dut_->eval();
        dut_->clk = 1;
        dut_->eval();
    }

    // One cycle; whether something happened at the pins.
    bool step(double bit) {
        step();
        bool active = receiver_.busy() || !dut_->tx;
        if (receiver_.cycle(dut_->tx, bit) && receiver_.whole())
            received_.push_back(static_cast<char>(receiver_.byte()));
#if FLASH
        active |= dut_->select;
        dut_->cipo = flash_.cycle(dut_->select, dut_->sck, dut_->copi);
#endif
        return active;
    }

    void pass_on() {
        // What nobody reads is lost when the terminal's buffer is full.
        if (!received_.empty() && write(terminal_, received_.data(), received_.size()) < 0 &&
            errno != EAGAIN)
            std::exit(0);
        received_.clear();
    }

    int terminal_;
    double divisor_, baud_;
    std::string received_;  // not yet in the terminal
    Flash flash_;
    Receiver receiver_;
    VerilatedContext context_;
    std::unique_ptr<Dut> dut_;
};

std::string content(const char* name) {
    std::string result;
    if (FILE* file = std::fopen(name, "rb")) {
        char block[1 << 12];
        while (size_t got = std::fread(block, 1, sizeof block, file)) result.append(block, got);
        std::fclose(file);
    }
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 7) return 2;
    const int terminal = std::atoi(argv[1]);
    const double divisor = std::strtod(argv[2], nullptr), baud = std::strtod(argv[3], nullptr);
    const double clock = std::strtod(argv[4], nullptr);
    Box box(terminal, divisor, baud, {content(argv[5]), std::strtoull(argv[6], nullptr, 10)});
    fcntl(terminal, F_SETFL, fcntl(terminal, F_GETFL) | O_NONBLOCK);

    double begun = now(), idle = 0;  // when the line fell idle, and simulated seconds since then
    uint8_t piece[kPiece];
    ssize_t count = 0, next = 0;
    for (;;) {
        if (next == count) {
            next = 0;
            count = read(terminal, piece, kPiece);
            if (count == 0 || (count < 0 && errno != EAGAIN)) return 0;
            if (count < 0) count = 0;
        }
        bool active = next < count;
        const unsigned levels = active ? piece[next++] << 1 | 0x200u : 0x3ffu;
        idle += static_cast<double>(box.send(levels, active)) / clock;
        if (active) idle = 0;
        if (idle == 0) {
            begun = now();
            continue;
        }
        const bool still = idle > kStill;
        const double ahead = idle - (now() - begun);
        pollfd waiting{terminal, POLLIN, 0};
        if (still || ahead > 1e-3) poll(&waiting, 1, still ? -1 : static_cast<int>(ahead * 1e3));
        if (still) {
            begun = now();
            idle = 0;
        }
    }
}
