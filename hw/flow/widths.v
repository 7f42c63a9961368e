// A yosys techmap that gives an operator, its operands and its result one width, written out.
//
// Verilog extends operands implicitly, by rules that surprise, and linters warn of each place.
// Amaranth trims operands to their significant bits, so its Verilog is full of such places. After
// this map every operand is extended explicitly. hw/flow/verilog.py applies it before it writes Verilog.

(* techmap_celltype = "$add $sub" *)
module width_arithmetic (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire _TECHMAP_FAIL_ = (A_WIDTH == Y_WIDTH && B_WIDTH == Y_WIDTH) || A_SIGNED != B_SIGNED;

  // Sums are exact modulo 2^Y_WIDTH, so cutting an operand that is wider than the result is exact.
  wire [Y_WIDTH-1:0] a, b;
  generate  // an operand that is always 0 has no bits left
    if (A_WIDTH == 0) assign a = 0;
    else \$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH))
      extend_a (.A(A), .Y(a));
    if (B_WIDTH == 0) assign b = 0;
    else \$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH))
      extend_b (.A(B), .Y(b));
  endgenerate
  generate
    if (_TECHMAP_CELLTYPE_ == "$add") assign Y = a + b;
    else assign Y = a - b;
  endgenerate
endmodule

(* techmap_celltype = "$lt $le $ge $gt $eq $ne" *)
module width_compare (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  localparam W = A_WIDTH > B_WIDTH ? A_WIDTH : B_WIDTH;
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire _TECHMAP_FAIL_ = A_WIDTH == B_WIDTH || A_SIGNED != B_SIGNED || Y_WIDTH != 1;

  wire [W-1:0] a, b;
  generate  // an operand that is always 0 has no bits left
    if (A_WIDTH == 0) assign a = 0;
    else \$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(W))
      extend_a (.A(A), .Y(a));
    if (B_WIDTH == 0) assign b = 0;
    else \$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(W))
      extend_b (.A(B), .Y(b));
  endgenerate
  // Flipping both sign bits turns a signed comparison into an unsigned one.
  wire [W-1:0] flip = A_SIGNED ? {1'b1, {W{1'b0}}} >> 1 : {W{1'b0}};
  generate
    case (_TECHMAP_CELLTYPE_)
      "$lt": assign Y = (a ^ flip) < (b ^ flip);
      "$le": assign Y = (a ^ flip) <= (b ^ flip);
      "$ge": assign Y = (a ^ flip) >= (b ^ flip);
      "$gt": assign Y = (a ^ flip) > (b ^ flip);
      "$eq": assign Y = a == b;
      "$ne": assign Y = a != b;
    endcase
  endgenerate
endmodule

(* techmap_celltype = "$logic_not" *)
module width_logic_not (A, Y);
  parameter A_SIGNED = 0, A_WIDTH = 1, Y_WIDTH = 1;
  input [A_WIDTH-1:0] A;
  output [Y_WIDTH-1:0] Y;
  wire _TECHMAP_FAIL_ = A_WIDTH == 1 || Y_WIDTH != 1;
  assign Y = ~|A;
endmodule

(* techmap_celltype = "$shr" *)
module width_shift (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire _TECHMAP_FAIL_ = Y_WIDTH >= A_WIDTH || A_SIGNED || B_SIGNED;
  wire [A_WIDTH-1:0] y = A >> B;
  assign Y = y[Y_WIDTH-1:0];
endmodule
